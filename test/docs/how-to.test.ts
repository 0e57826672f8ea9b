/** The how-to pages do what they say: their shell blocks, in order, against a real farm and a partner that we play. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { openDebianPostgres } from '../support/debian-postgres.ts';
import { freePort } from '../support/farm-site.ts';
import { allPages, blocksOf, readPage, root } from './pages.ts';

/** These need a server that fits PostgreSQL's own tools. */
const BACKUP = 'docs/how-to/backup.md';
const MOVE = 'docs/how-to/move.md';
const pages = allPages()
  .map(({ path }) => path)
  .filter((path) => /^docs\/how-to\/(?!README)/.test(path) && path !== BACKUP && path !== MOVE);

/** A page waits for what it makes; this ends one that hangs. */
const PAGE_MS = 180_000;
/** With a download of Debian's packages. */
const FETCH_MS = 600_000;

let folder: string;
let database: FreshDatabase;
const running: ChildProcess[] = [];
const pageEnv: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-how-to-'));
  chmodSync(folder, 0o711);
  layShims(join(folder, 'bin'));
  database = await freshDatabase();
  const shopfloor = await serving(['shopfloor', '--port', '0'], /^(http:\S+)\/$/m);
  const line = readFileSync(join(root, 'examples/line.yaml'), 'utf8');
  const config = join(folder, 'line.yaml');
  writeFileSync(config, line.replace('http://127.0.0.1:8090/', `${shopfloor}/`));
  const factory = `127.0.0.1:${await freePort()}`;
  const http = `127.0.0.1:${await freePort()}`;
  const doors = ['--grpc', '127.0.0.1:0', '--http', http, '--factory', factory];
  const server = await serving(
    ['serve', '--config', config, '--data', join(folder, 'data'), ...doors],
    /^gRPC (\S+)$(?=[\s\S]*^factory )/m,
  );
  Object.assign(pageEnv, {
    STATIONGRID_SERVER: server,
    STATIONGRID_INSTANCE: 'line-1',
    PARTNER_URL: shopfloor,
    STATIONGRID_URL: `http://${http}`,
    FACTORY_URL: `http://${factory}`,
    DATABASE_URL: database.ownerUrl,
    // Where the farm's configuration is.
    STATIONGRID_DATA: join(folder, 'data'),
  });
});

afterAll(async () => {
  // The farm first: it has calls to deliver.
  for (const child of running.toReversed()) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await ended;
    }
  }
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** In a clone npx finds our commands by package.json; asking npm that every time would cost a second each. */
const layShims = (bin: string): void => {
  const { bin: commands } = toManifest(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const cases = Object.entries(commands).map(([name, path]) => `${name}) exec node '${join(root, path)}' "$@" ;;`);
  mkdirSync(bin);
  const shim = ['#!/bin/sh', 'name=$1', 'shift', 'case $name in', ...cases, 'esac', 'exit 127', ''].join('\n');
  writeFileSync(join(bin, 'npx'), shim, { mode: 0o755 });
};

/** Starts one of our commands; resolves with what it says once it serves, rejects when it ends before. */
const serving = (words: readonly string[], said: RegExp): Promise<string> => {
  const child = spawn(process.execPath, [join(root, 'src/cli/stationgrid.mjs'), ...words], { env: environment({}) });
  running.push(child);
  return new Promise((resolve, reject) => {
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const [, address] = said.exec(output) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once('close', (code) =>
      reject(new Error(`stationgrid ${words.join(' ')} ended with ${String(code)}:\n${output}`)),
    );
  });
};

const environment = (more: Readonly<Record<string, string>>): Record<string, string> => {
  const path = [join(folder, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  return { PATH: path, HOME: process.env['HOME'] ?? folder, TMPDIR: folder, TZ: 'UTC', ...more };
};

/** Runs a page's blocks as one script, and ends whatever it has left running. */
const runScript = (
  script: string,
  env: Readonly<Record<string, string>> = pageEnv,
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const child = spawn('bash', ['-euxo', 'pipefail', '-c', script], {
    cwd: root,
    env: environment(env),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // What the page started shares its process group and its pipes.
    child.once('exit', () => endGroup(child.pid));
    child.once('close', (code) => resolve({ code, output }));
  });
};

const endGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody was left.
  }
};

const isMissing = (tool: string): boolean =>
  spawnSync(tool, [tool === 'openssl' ? 'version' : '--version']).status !== 0;
/** Of those that not every machine has. */
const missingFor = (script: string): readonly string[] =>
  [
    'bash',
    'curl',
    ...(script.includes('openssl ') ? ['openssl'] : []),
    ...(script.includes('python3 ') ? ['python3'] : []),
  ].filter(isMissing);

it('has a page to run', () => {
  expect(pages.length).toBeGreaterThan(0);
});

it.for(pages)('does what %s says', { timeout: PAGE_MS }, async (path, { skip }) => {
  const script = blocksOf(readPage(path), 'sh').join('\n');
  const missing = missingFor(script);
  skip(missing.length > 0, `this machine has no ${missing.join(' and no ')}`);
  const { code, output } = await runScript(script);
  expect(code, output).toBe(0);
});

it(
  `does what ${BACKUP} says, and the restored farm starts`,
  { timeout: FETCH_MS },
  async ({ skip, onTestFinished }) => {
    const missing = missingFor('');
    skip(missing.length > 0, `this machine has no ${missing.join(' and no ')}`);
    const debian = await openDebianPostgres();
    if ('skip' in debian) return skip(debian.skip);
    onTestFinished(debian.close);
    const server = debian.server('server');
    await server.found();
    await server.start();
    await server.query(`create database farm encoding 'UTF8' template template0`);
    const farm = ['--config', 'examples/line.yaml', '--database', server.url('farm')];
    const address = await serving(
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
      ...debian.env,
      PATH: [environment({})['PATH'], debian.env.PATH].join(delimiter),
    };
    // Any two ports that nobody has; the page's own may be taken on this machine.
    const [grpc, http] = [await freePort(), await freePort()];
    const page = blocksOf(readPage(BACKUP), 'sh')
      .join('\n')
      .replaceAll(':50061', `:${grpc}`)
      .replaceAll(':8091', `:${http}`);
    const { code, output } = await runScript(`${enqueue}\n${page}`, env);
    expect(code, output).toBe(0);
    const kept = "select state from jobs join device_serials s on s.device_id = jobs.device_id where s.value = 'KEPT'";
    expect(await server.query(kept, 'stationgrid_restored')).toEqual([{ state: 'QUEUED' }]);
    expect(await server.query('select number, cause from restores order by number', 'stationgrid_restored')).toEqual([
      { number: 1, cause: 'MOVED' },
      { number: 2, cause: 'SAID' },
    ]);
  },
);

it(`does what ${MOVE} says, and nothing is left behind`, { timeout: FETCH_MS }, async ({ skip, onTestFinished }) => {
  const missing = missingFor('');
  skip(missing.length > 0, `this machine has no ${missing.join(' and no ')}`);
  const debian = await openDebianPostgres();
  if ('skip' in debian) return skip(debian.skip);
  onTestFinished(debian.close);
  const server = debian.server('server');
  await server.found();
  await server.start();
  for (const name of ['farm', 'moved'])
    await server.query(`create database ${name} encoding 'UTF8' template template0`);
  const env = {
    DATABASE_URL: server.url('farm'),
    MOVED_URL: server.url('moved'),
    ...debian.env,
    PATH: [environment({})['PATH'], debian.env.PATH].join(delimiter),
  };
  const { code, output } = await runScript(blocksOf(readPage(MOVE), 'sh').join('\n'), env);
  expect(code, output).toBe(0);
  const jobs = 'select id, state from jobs order by id';
  expect(await server.query(jobs, 'moved')).toEqual(await server.query(jobs, 'farm'));
});

function toManifest(read: unknown): { readonly bin: Readonly<Record<string, string>> } {
  return read as { readonly bin: Readonly<Record<string, string>> };
}
