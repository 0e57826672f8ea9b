/** The shell blocks of a page, run as its reader would run them, beside farms and partners that stand for what the reader has. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { allPages, blocksOf, readPage, root } from './pages.ts';

/** A page waits for what it makes; this ends one that hangs. */
export const PAGE_MS = 300_000;

type Environment = Readonly<Record<string, string>>;
export type ScriptEnd = { readonly code: number | null; readonly output: string };

/** The blocks of a page as one script. */
export const scriptOf = (path: string): string => blocksOf(readPage(path), 'sh').join('\n');

/** Of the how-to pages, those that start farms of their own, and those that ask one which is there. */
export const howToPages = (farms: 'own' | 'shared'): readonly string[] =>
  allPages()
    .map(({ path }) => path)
    .filter((path) => /^docs\/how-to\/(?!README)/.test(path))
    .filter((path) => /^[^#]*stationgrid(\.mjs)? serve /m.test(scriptOf(path)) === (farms === 'own'));

export type Desk = {
  /** For files; removed with everything in it. */
  readonly folder: string;
  /** Starts one of our commands; resolves with what it says once it serves, rejects when it ends before. */
  readonly serving: (words: readonly string[], said: RegExp) => Promise<string>;
  /** Runs a script to its end, and ends whatever it has left running. */
  readonly run: (script: string, env: Environment) => Promise<ScriptEnd>;
  /** Of every script; one that changes it puts its own folders before. */
  readonly path: string;
  readonly close: () => Promise<void>;
};

export const openDesk = (): Desk => {
  const folder = mkdtempSync(join(tmpdir(), 'stationgrid-how-to-'));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  layShims(join(folder, 'bin'));
  const path = [join(folder, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const environment = (more: Environment): Environment => ({
    ...{ PATH: path, HOME: process.env['HOME'] ?? folder, TMPDIR: folder, TZ: 'UTC' },
    ...more,
  });
  const running: ChildProcess[] = [];
  return {
    folder,
    path,
    serving: (words, said) => {
      const child = spawn(process.execPath, [join(root, 'src/cli/stationgrid.mjs'), ...words], {
        env: environment({}),
      });
      running.push(child);
      return addressSaid(child, said, words);
    },
    run: (script, env) => runScript(script, environment(env)),
    close: async () => {
      // The farm first: it has calls to deliver.
      for (const child of running.toReversed()) {
        const ended = new Promise((resolve) => child.once('close', resolve));
        if (child.exitCode === null && child.signalCode === null) {
          child.kill('SIGTERM');
          await ended;
        }
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
};

/** In a clone npx finds our commands by package.json; asking npm that every time would cost a second each. */
const layShims = (bin: string): void => {
  const { bin: commands } = toManifest(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const cases = Object.entries(commands).map(([name, path]) => `${name}) exec node '${join(root, path)}' "$@" ;;`);
  mkdirSync(bin);
  const shim = ['#!/bin/sh', 'name=$1', 'shift', 'case $name in', ...cases, 'esac', 'exit 127', ''].join('\n');
  writeFileSync(join(bin, 'npx'), shim, { mode: 0o755 });
};

const addressSaid = (child: ReturnType<typeof spawn>, said: RegExp, words: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    let output = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const [, address] = said.exec(output) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once('close', (code) =>
      reject(new Error(`stationgrid ${words.join(' ')} ended with ${String(code)}:\n${output}`)),
    );
  });

const runScript = (script: string, env: Environment): Promise<ScriptEnd> => {
  const child = spawn('bash', ['-euxo', 'pipefail', '-c', script], {
    cwd: root,
    env,
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

/** Of the programs that not every machine has, those that the script needs and this one has not: why it is skipped. Null: none. */
export const whySkipped = (script: string): string | null => {
  const wanted = ['bash', 'curl', ...['openssl', 'python3'].filter((tool) => script.includes(`${tool} `))];
  const missing = wanted.filter(isMissing);
  return missing.length === 0 ? null : `this machine has no ${missing.join(' and no ')}`;
};

function toManifest(read: unknown): { readonly bin: Readonly<Record<string, string>> } {
  return read as { readonly bin: Readonly<Record<string, string>> };
}
