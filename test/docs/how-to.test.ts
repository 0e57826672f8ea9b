/** The how-to pages do what they say: their shell blocks, in order, against a real farm and a partner that we play. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { freePort } from '../support/farm-site.ts';
import { root } from './pages.ts';
import { type Desk, howToPages, openDesk, PAGE_MS, scriptOf, whySkipped } from './run-page.ts';

const pages = howToPages('shared');

let desk: Desk;
let database: FreshDatabase;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  desk = openDesk();
  database = await freshDatabase();
  const shopfloor = await desk.serving(['shopfloor', '--port', '0'], /^(http:\S+)\/$/m);
  const line = readFileSync(join(root, 'examples/line.yaml'), 'utf8');
  const config = join(desk.folder, 'line.yaml');
  writeFileSync(config, line.replace('http://127.0.0.1:8090/', `${shopfloor}/`));
  const factory = `127.0.0.1:${await freePort()}`;
  const http = `127.0.0.1:${await freePort()}`;
  const data = join(desk.folder, 'data');
  const doors = ['--grpc', '127.0.0.1:0', '--http', http, '--factory', factory];
  const server = await desk.serving(
    ['serve', '--config', config, '--data', data, ...doors],
    /^gRPC (\S+)$(?=[\s\S]*^factory )/m,
  );
  env = {
    STATIONGRID_SERVER: server,
    STATIONGRID_INSTANCE: 'line-1',
    PARTNER_URL: shopfloor,
    STATIONGRID_URL: `http://${http}`,
    FACTORY_URL: `http://${factory}`,
    DATABASE_URL: database.ownerUrl,
    // Where the farm's configuration is.
    STATIONGRID_DATA: data,
  };
});

afterAll(async () => {
  await desk.close();
  await database.drop();
});

it('has a page to run', () => {
  expect(pages.length).toBeGreaterThan(0);
});

it.for(pages)('does what %s says', { timeout: PAGE_MS }, async (path, { skip }) => {
  const script = scriptOf(path);
  const why = whySkipped(script);
  skip(why !== null, why ?? '');
  const { code, output } = await desk.run(script, env);
  expect(code, output).toBe(0);
});
