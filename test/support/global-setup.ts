import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { migrate } from '../../src/store/migrate.ts';
import { processClock } from '../../src/process-clock.ts';
import { removeAbandoned } from './remove-abandoned.ts';
import type { TestServer } from './test-server.ts';
import { urlOf } from './test-server.ts';

const TEMPLATE = 'stationgrid_template';

/** One real PostgreSQL for the whole run, and in it the template that every test file's database is copied from. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  removeAbandoned();
  const dataDir = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(dataDir, 0o711);
  const log = { info: () => undefined, warn: () => undefined };
  const options = { dataDir, log, clock: processClock, newId: randomUUID, isDurable: false };
  const { url, applicationRole, stop } = await startEmbeddedPostgres(options);
  const server: TestServer = {
    url,
    ownerRole: OWNER_ROLE,
    superuser: SUPERUSER,
    template: TEMPLATE,
    shape: '',
    broken: null,
  };
  try {
    project.provide('testServer', { ...server, shape: await makeTemplate(server, applicationRole) });
  } catch (error) {
    // A broken migration fails the tests that need a database, and leaves the others alone.
    project.provide('testServer', { ...server, broken: String(error) });
  }
  return async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}

/** Resolves with its shape, as untouched.sql has it. */
async function makeTemplate({ url, superuser, ownerRole }: TestServer, applicationRole: string): Promise<string> {
  const founder = new pg.Client(urlOf(url, { user: superuser, database: 'postgres' }));
  await founder.connect();
  await founder.query(`create database ${TEMPLATE} owner ${ownerRole}`).finally(() => founder.end());
  const owner = new pg.Client(urlOf(url, { user: ownerRole, database: TEMPLATE }));
  await owner.connect();
  try {
    await migrate(owner, { applicationRole });
    for (const addition of ['./settable-clock.sql', './untouched.sql'])
      await owner.query(readFileSync(new URL(addition, import.meta.url), 'utf8'));
    const { rows } = await owner.query<{ shape: string }>('select untouched.shape() as shape');
    return rows[0]?.shape ?? '';
  } finally {
    await owner.end();
  }
}
