/** A process under watch: whether it lives, what it logs, how long its event loop was busy, what memory it holds. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Sample } from './probe.ts';

const PROBE = fileURLToPath(new URL('./probe.ts', import.meta.url));
/** What does not look at its channel for so long is in an endless loop, however busy the machine. */
const DEAF_MS = 30_000;

export type Watched = {
  readonly name: string;
  /** A line of standard output, once there is one that fits. Rejects when the process ends before. */
  readonly said: (pattern: RegExp) => Promise<string>;
  /** Since the last look. Null: the process has ended, or no longer listens. */
  readonly look: (options?: { readonly collect?: boolean }) => Promise<Sample | null>;
  /** Lines of standard error since the last time, oldest first. */
  readonly logged: () => readonly string[];
  /** How it ended; null while it lives. */
  readonly ended: () => number | string | null;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
};

/** @param words of `node`: the program and its arguments. */
export const startWatched = (name: string, words: readonly string[]): Watched => {
  const child: ChildProcess = spawn(process.execPath, ['--expose-gc', '--import', PROBE, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const printed: string[] = [];
  const logged: string[] = [];
  const waiting = new Set<() => void>();
  let how: number | string | null = null;
  const tellAll = (): void => {
    for (const tell of [...waiting]) tell();
  };
  const lines = (stream: NodeJS.ReadableStream | null, into: string[]): void => {
    if (stream !== null)
      createInterface({ input: stream }).on('line', (line) => {
        into.push(line);
        tellAll();
      });
  };
  lines(child.stdout, printed);
  lines(child.stderr, logged);
  child.on('close', (code, signal) => {
    how = signal ?? code ?? 'unknown';
    tellAll();
  });
  /** Resolves with what `find` finds; null: the process has ended without. */
  const wait = <T>(find: () => T | undefined, giveUpMs?: number): Promise<T | null> =>
    new Promise((resolve) => {
      const done = (found: T | null): void => {
        waiting.delete(check);
        clearTimeout(patience);
        resolve(found);
      };
      const patience = giveUpMs === undefined ? undefined : setTimeout(() => done(null), giveUpMs);
      const check = (): void => {
        const found = find();
        if (found !== undefined) done(found);
        else if (how !== null) done(null);
      };
      waiting.add(check);
      check();
    });
  const samples: Sample[] = [];
  child.on('message', (sample) => {
    samples.push(sample as Sample);
    tellAll();
  });
  return {
    name,
    said: async (pattern) => {
      const line = await wait(() => printed.find((each) => pattern.test(each)));
      if (line === null) throw new Error(`${name} ended before it was ready:\n${logged.join('\n')}`);
      return line;
    },
    look: (options = {}) => {
      if (how !== null || !child.connected) return Promise.resolve(null);
      child.send(options);
      return wait(() => samples.shift(), DEAF_MS);
    },
    logged: () => logged.splice(0),
    ended: () => how,
    stop: async (signal = 'SIGTERM') => {
      if (how !== null) return;
      child.kill(signal);
      if ((await wait(() => how ?? undefined, DEAF_MS)) === null) child.kill('SIGKILL');
      await wait(() => how ?? undefined);
    },
  };
};
