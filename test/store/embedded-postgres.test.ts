import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPostgresBinaries } from '../../src/store/embedded/binaries.ts';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { readPostmasterPid, stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import type { EmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { checkServer, createPool } from '../../src/store/pool.ts';
import { startEmbeddedFarm } from '../support/embedded-farms.ts';
import { processClock } from '../../src/process-clock.ts';

describe('the embedded PostgreSQL', () => {
  let root: string;
  let dataDir: string;
  let words: string[];
  let onWords: (said: string) => void;
  const running: EmbeddedPostgres[] = [];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'embedded-'));
    chmodSync(root, 0o711);
    dataDir = join(root, 'data');
    words = [];
    onWords = () => undefined;
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
    rmSync(root, { recursive: true, force: true });
  });

  const hear = (_fields: unknown, said: string): void => {
    words.push(said);
    onWords(said);
  };

  async function start(folder = dataDir): Promise<EmbeddedPostgres> {
    const log = { info: hear, warn: hear };
    const server = await startEmbeddedPostgres({ dataDir: folder, log, clock: processClock, newId: randomUUID });
    running.push(server);
    return server;
  }

  async function ask(url: string, statement: string): Promise<unknown[]> {
    const client = new pg.Client(url);
    await client.connect();
    const { rows } = await client.query(statement).finally(() => client.end());
    return rows;
  }

  it('starts from nothing, keeps what it is told, and stops with its only farm', async () => {
    const first = await start();
    await ask(first.ownerUrl, 'create table kept as select 1 as one');
    expect(readPostmasterPid(embeddedFolder(dataDir))).not.toBeNull();
    await first.stop();
    expect(readPostmasterPid(embeddedFolder(dataDir))).toBeNull();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await ask(second.ownerUrl, 'select one from kept')).toEqual([{ one: 1 }]);
  });

  it('is durable, and keeps the schema from the application’s role', async () => {
    const { url, applicationRole } = await start();
    const pool = createPool(url);
    await checkServer(pool);
    expect((await pool.query('select current_user as me')).rows).toEqual([{ me: applicationRole }]);
    await expect(pool.query('create table t ()')).rejects.toThrow('permission denied');
    await pool.end();
  });

  it('listens on a socket that only its owner can reach, and nowhere else', async () => {
    const { url } = await start();
    const folder = decodeURIComponent(new URL(url).hostname);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(await ask(url, "select current_setting('listen_addresses') as addresses")).toEqual([{ addresses: '' }]);
  });

  it('is joined by farms that start at once, and stopped by the last to leave', async () => {
    const farms = await Promise.all([start(), start(), start()]);
    expect(new Set(farms.map(({ url }) => url)).size).toBe(1);
    await farms[0].stop();
    await farms[1].stop();
    expect(await ask(farms[2].url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await farms[2].stop();
    expect(readPostmasterPid(embeddedFolder(dataDir))).toBeNull();
    expect(readdirSync(embeddedFolder(dataDir).path).sort()).toEqual(['cluster', 'server.log', 'socket']);
  });

  it('serves a farm that starts while the last one leaves', async () => {
    const first = await start();
    const [, second] = await Promise.all([first.stop(), start()]);
    expect(await ask(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('outlives a killed farm, and is joined by the next', async () => {
    const killed = await startEmbeddedFarm(dataDir);
    const pid = readPostmasterPid(embeddedFolder(dataDir));
    await killed.kill('SIGKILL');
    const { url } = await start();
    expect(readPostmasterPid(embeddedFolder(dataDir))).toBe(pid);
    expect(url).toBe(killed.url);
  });

  it('is brought back at its URL when it is killed under a farm', async () => {
    const { url, ownerUrl } = await start();
    await ask(ownerUrl, 'create table kept as select 1 as one');
    const back = new Promise<void>((resolve) => {
      onWords = (said) => {
        if (said.endsWith('is back')) resolve();
      };
    });
    process.kill(readPostmasterPid(embeddedFolder(dataDir))!, 'SIGKILL');
    await back;
    expect(await ask(url.replace('stationgrid@', 'stationgrid_owner@'), 'select one from kept')).toEqual([{ one: 1 }]);
  });

  it('puts its socket into a temporary folder, and notes it, where the path is too long for one', async () => {
    const long = join(root, 'd'.repeat(90));
    const first = await start(long);
    const folder = decodeURIComponent(new URL(first.url).hostname);
    expect(folder.startsWith(embeddedFolder(long).path)).toBe(false);
    expect(readFileSync(embeddedFolder(long).socketNote, 'utf8')).toBe(folder);
    expect((await start(long)).url).toBe(first.url);
    await Promise.all(running.splice(0).map((server) => server.stop()));
    // Systems sweep their temporary folders; the same one comes back, so that URLs stay true.
    rmSync(folder, { recursive: true });
    expect((await start(long)).url).toBe(first.url);
    rmSync(folder, { recursive: true });
  });

  it('leaves the server of another farm alone, though a pid file that was left behind names it', async () => {
    const { url } = await start();
    const other = embeddedFolder(join(root, 'killed-long-ago'));
    mkdirSync(other.cluster, { recursive: true });
    writeFileSync(other.postmasterPid, String(readPostmasterPid(embeddedFolder(dataDir))));
    expect(stopPostmaster(other)).toBeNull();
    expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('clears away what a start that was killed long ago had begun', async () => {
    const draft = join(embeddedFolder(dataDir).path, 'draft-of-long-ago');
    mkdirSync(draft, { recursive: true });
    utimesSync(draft, 0, 0);
    await start();
    expect(existsSync(draft)).toBe(false);
  });

  it('refuses a database of another PostgreSQL version, and says what to do', async () => {
    await (await start()).stop();
    writeFileSync(join(embeddedFolder(dataDir).cluster, 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toMatchObject({ exitCode: 78, message: expect.stringMatching(/17.*pg_dump/) });
  });

  it('says what PostgreSQL said when it does not start', async () => {
    await (await start()).stop();
    writeFileSync(join(embeddedFolder(dataDir).cluster, 'postgresql.conf'), 'nonsense = 1\n');
    await expect(start()).rejects.toMatchObject({ exitCode: 78, message: expect.stringContaining('nonsense') });
  });

  it('refuses a data directory that cannot be made', async () => {
    writeFileSync(join(root, 'file'), '');
    await expect(start(join(root, 'file', 'data'))).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('--data'),
    });
  });

  it('asks for a URL on a platform that it is not packaged for', () => {
    expect(() => findPostgresBinaries('plan9-mips')).toThrow(/No PostgreSQL is packaged for plan9-mips.*--database/);
  });
});
