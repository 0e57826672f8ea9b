/** Worker processes with a PostgreSQL of their own each, so that no run's transactions are in another's snapshots. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pin } from './pin.ts';
import type { SeedResult, SeedRun } from './run-seed.ts';
import { type SimServer, startSimServer } from './sim-server.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** No seed takes so long, on any machine; what does hangs. */
const HANGS_MS = 240_000;

export type Hand = {
  readonly run: (run: SeedRun) => Promise<SeedResult>;
  readonly leave: () => void;
};

export type Crew = {
  /** Works through the list, as many at once as there are hands; in the list's order within each hand. */
  readonly each: <T>(list: readonly T[], work: (item: T, server: SimServer) => Promise<void>) => Promise<void>;
  readonly leave: () => Promise<void>;
};

export const hireCrew = async (hands: number): Promise<Crew> => {
  const cores = availableParallelism();
  const servers = await Promise.all(Array.from({ length: hands }, (_, hand) => startSimServer(hand % cores)));
  return {
    each: async (list, work) => {
      const left = [...list];
      await Promise.all(
        servers.map(async (server) => {
          for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next, server);
        }),
      );
    },
    leave: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};

/** @param bug planted in the farm that this hand runs; null: the farm as it is. */
export const hireHand = async (server: SimServer, bug: string | null): Promise<Hand> => {
  const child = fork(WORKER, [server.url, String(server.core), ...(bug === null ? [] : [bug])], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  if (child.pid !== undefined) pin(child.pid, server.core);
  await heard(child);
  return {
    run: async (run) => {
      child.send(run);
      return toResult(await heard(child));
    },
    leave: () => void child.kill('SIGKILL'),
  };
};

/** Its next message. */
const heard = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const hangs = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`a worker was silent for ${HANGS_MS / 1000} s`));
    }, HANGS_MS);
    const ended = (code: number | null): void => {
      clearTimeout(hangs);
      reject(new Error(`a worker ended with ${String(code)}`));
    };
    child.once('exit', ended);
    child.once('message', (message) => {
      clearTimeout(hangs);
      child.off('exit', ended);
      resolve(message);
    });
  });

function toResult(message: unknown): SeedResult {
  const { result, error } = message as { readonly result?: SeedResult; readonly error?: string };
  if (result === undefined) throw new Error(`the simulation itself failed: ${error ?? 'without a word'}`);
  return result;
}
