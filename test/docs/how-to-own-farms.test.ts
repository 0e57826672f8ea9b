/**
 * The how-to pages that start farms of their own do what they say. None touches what another one has made, and each waits far more
 * than it computes: several go at once.
 */
import { delimiter } from 'node:path';
import { afterAll, beforeAll, describe, it, type TestContext } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { type DebianServer, openDebianPostgres } from '../support/debian-postgres.ts';
import { freePort } from '../support/farm-site.ts';
import { type Desk, howToPages, openDesk, PAGE_MS, scriptOf, whySkipped } from './run-page.ts';

const BACKUP = 'docs/how-to/backup.md';
const MOVE = 'docs/how-to/move.md';
const pages = howToPages('own').filter((path) => path !== BACKUP && path !== MOVE);

/** With a download of Debian's packages. */
const FETCH_MS = 600_000;

let desk: Desk;
let database: FreshDatabase;

beforeAll(async () => {
  desk = openDesk();
  database = await freshDatabase();
});

afterAll(async () => {
  await desk.close();
  await database.drop();
});

it('has a page to run', ({ expect }) => {
  expect(pages.length).toBeGreaterThan(0);
});

/** One that fits PostgreSQL's own tools, with these databases, and the environment in which those are found. Skips where there is none. */
const openServer = async (
  { skip, onTestFinished }: Pick<TestContext, 'skip' | 'onTestFinished'>,
  databases: readonly string[],
): Promise<{ readonly server: DebianServer; readonly tools: Readonly<Record<string, string>> }> => {
  const why = whySkipped('');
  skip(why !== null, why ?? '');
  const debian = await openDebianPostgres();
  if ('skip' in debian) return skip(debian.skip);
  onTestFinished(debian.close);
  const server = debian.server('server');
  await server.found();
  await server.start();
  for (const name of databases) await server.query(`create database ${name} encoding 'UTF8' template template0`);
  return { server, tools: { ...debian.env, PATH: [desk.path, debian.env.PATH].join(delimiter) } };
};

describe.concurrent('a page with farms of its own', () => {
  it.for(pages)('does what %s says', { timeout: PAGE_MS }, async (path, { expect, skip }) => {
    const script = scriptOf(path);
    const why = whySkipped(script);
    skip(why !== null, why ?? '');
    const { code, output } = await desk.run(script, { DATABASE_URL: database.ownerUrl });
    expect(code, output).toBe(0);
  });

  it(
    `does what ${BACKUP} says, and the restored farm starts`,
    { timeout: FETCH_MS },
    async ({ expect, skip, onTestFinished }) => {
      const { server, tools } = await openServer({ skip, onTestFinished }, ['farm']);
      const farm = ['--config', 'examples/line.yaml', '--database', server.url('farm')];
      const address = await desk.serving(
        ['serve', ...farm, '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'],
        /^gRPC (\S+)$/m,
      );
      const enqueue =
        'npx stationgrid job enqueue --station SMT --serial serials.mlb_serial_number=KEPT --handler SMT.Probe=simulate';
      const env = {
        STATIONGRID_SERVER: address,
        STATIONGRID_INSTANCE: 'line-1',
        DATABASE_URL: server.url('farm'),
        RESTORED_URL: server.url('stationgrid_restored'),
        ...tools,
      };
      // Any two ports that nobody has; the page's own may be taken on this machine.
      const [grpc, http] = [await freePort(), await freePort()];
      const page = scriptOf(BACKUP).replaceAll(':50061', `:${grpc}`).replaceAll(':8091', `:${http}`);
      const { code, output } = await desk.run(`${enqueue}\n${page}`, env);
      expect(code, output).toBe(0);
      const kept =
        "select state from jobs join device_serials s on s.device_id = jobs.device_id where s.value = 'KEPT'";
      expect(await server.query(kept, 'stationgrid_restored')).toEqual([{ state: 'QUEUED' }]);
      expect(await server.query('select number, cause from restores order by number', 'stationgrid_restored')).toEqual([
        { number: 1, cause: 'MOVED' },
        { number: 2, cause: 'SAID' },
      ]);
    },
  );

  it(
    `does what ${MOVE} says, and nothing is left behind`,
    { timeout: FETCH_MS },
    async ({ expect, skip, onTestFinished }) => {
      const { server, tools } = await openServer({ skip, onTestFinished }, ['farm', 'moved']);
      const env = {
        DATABASE_URL: server.url('farm'),
        MOVED_URL: server.url('moved'),
        ...tools,
      };
      const { code, output } = await desk.run(scriptOf(MOVE), env);
      expect(code, output).toBe(0);
      const jobs = 'select id, state from jobs order by id';
      expect(await server.query(jobs, 'moved')).toEqual(await server.query(jobs, 'farm'));
    },
  );
});
