import type { SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program that uses an embedded PostgreSQL as a farm does, in this clone. */
export const embeddedFarmProgram = fileURLToPath(new URL('./embedded-farm.ts', import.meta.url));

export interface EmbeddedFarm {
  readonly url: string;
  /** What it said so far, for people. */
  readonly words: () => string;
  /** Lets it leave in order; resolves when the process has ended. */
  readonly leave: () => Promise<void>;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

export interface EmbeddedFarmOptions extends Pick<SpawnOptions, 'uid' | 'gid' | 'env' | 'cwd'> {
  readonly program?: string;
}

/** Starts a farm process and waits until its database serves; rejects with its words and exit code when it refuses. */
export async function startEmbeddedFarm(dataDir: string, options: EmbeddedFarmOptions = {}): Promise<EmbeddedFarm> {
  const { program = embeddedFarmProgram, ...spawnOptions } = options;
  const child = spawn(process.execPath, [program, dataDir], { ...spawnOptions, stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (said: string) => (words += said));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const url = await new Promise<string | null>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
    void ended.then(() => resolve(null));
  });
  if (url === null) throw Object.assign(new Error(words), { exitCode: await ended });
  return {
    url,
    words: () => words,
    leave: async () => {
      child.stdin.end();
      await ended;
    },
    kill: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
}
