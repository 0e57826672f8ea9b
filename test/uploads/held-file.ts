/** Processes of their own that hold the lock of a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('hold-file.ts', import.meta.url));

export type HeldFile = {
  readonly pid: number;
  readonly kill: () => Promise<void>;
  readonly giveBack: () => Promise<void>;
};

/** Resolves when it holds the lock. */
export async function holdFile(folder: string, path: string): Promise<HeldFile> {
  const child = spawn(process.execPath, [program, folder, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), failure(child)]);
  return {
    pid: child.pid!,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    giveBack: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

const failure = async (child: ChildProcess): Promise<never> => {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`the holder of a lock ended with ${String(code)}`);
};
