import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import { migrate } from '../../src/store/migrate.ts';
import { processClock } from '../../src/process-clock.ts';
import type { TestServer } from './test-server.ts';
import { urlOf } from './test-server.ts';

const FOLDER = /^stationgrid-test-(\d+)-/;
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
  const server: TestServer = { url, ownerRole: OWNER_ROLE, superuser: SUPERUSER, template: TEMPLATE, broken: null };
  try {
    await makeTemplate(server, applicationRole);
    project.provide('testServer', server);
  } catch (error) {
    // A broken migration fails the tests that need a database, and leaves the others alone.
    project.provide('testServer', { ...server, broken: String(error) });
  }
  return async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}

async function makeTemplate({ url, superuser, ownerRole }: TestServer, applicationRole: string): Promise<void> {
  const founder = new pg.Client(urlOf(url, { user: superuser, database: 'postgres' }));
  await founder.connect();
  await founder.query(`create database ${TEMPLATE} owner ${ownerRole}`).finally(() => founder.end());
  const owner = new pg.Client(urlOf(url, { user: ownerRole, database: TEMPLATE }));
  await owner.connect();
  try {
    await migrate(owner, { applicationRole });
    await owner.query(readFileSync(new URL('./settable-clock.sql', import.meta.url), 'utf8'));
  } finally {
    await owner.end();
  }
}

/** A run that was killed leaves its server behind, which outlives it by design. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = FOLDER.exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dataDir = join(tmpdir(), name);
    if (existsSync(embeddedFolder(dataDir).postmasterPid)) stopPostmaster(embeddedFolder(dataDir));
    // While the server still stops it may write; the next run takes what is left.
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
