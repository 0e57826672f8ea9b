/** The how-to pages do what they say: their shell blocks, in order, against a real farm and a partner that we play. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { allPages, blocksOf, readPage, root } from './pages.ts';

const pages = allPages()
  .map(({ path }) => path)
  .filter((path) => /^docs\/how-to\/(?!README)/.test(path));

/** A page waits for what it makes; this ends one that hangs. */
const PAGE_MS = 180_000;

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
  const doors = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const server = await serving(
    ['serve', '--config', config, '--data', join(folder, 'data'), ...doors],
    /^gRPC (\S+)$/m,
  );
  Object.assign(pageEnv, {
    STATIONGRID_SERVER: server,
    STATIONGRID_INSTANCE: 'line-1',
    PARTNER_URL: shopfloor,
    DATABASE_URL: database.ownerUrl,
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
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...words], { env: environment({}) });
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
const runScript = (script: string): Promise<{ readonly code: number | null; readonly output: string }> => {
  const child = spawn('bash', ['-euxo', 'pipefail', '-c', script], {
    cwd: root,
    env: environment(pageEnv),
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

const missingTools = ['bash', 'curl'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);

it('has a page to run', () => {
  expect(pages.length).toBeGreaterThan(0);
});

it.for(pages)('does what %s says', { timeout: PAGE_MS }, async (path, { skip }) => {
  skip(missingTools.length > 0, `this machine has no ${missingTools.join(' and no ')}`);
  const { code, output } = await runScript(blocksOf(readPage(path), 'sh').join('\n'));
  expect(code, output).toBe(0);
});

function toManifest(read: unknown): { readonly bin: Readonly<Record<string, string>> } {
  return read as { readonly bin: Readonly<Record<string, string>> };
}
