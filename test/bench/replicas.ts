/** Several replicas on one database, each a process. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Done, Order } from './replica.ts';

const SCRIPT = fileURLToPath(new URL('./replica.ts', import.meta.url));

export type Replica = {
  readonly ask: (order: Order) => Promise<Done>;
  readonly close: () => Promise<void>;
};

export const openReplica = async (url: string, bots: number, prefix: string): Promise<Replica> => {
  const child = fork(SCRIPT, [url, String(bots), prefix], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await next(child);
  return {
    ask: (order) => {
      const answer = next(child);
      child.send(order);
      return answer.then(toDone);
    },
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};

const next = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const lost = (): void => reject(new Error('a replica of the bench has ended'));
    child.once('close', lost);
    child.once('message', (message) => {
      child.off('close', lost);
      resolve(message);
    });
  });

function toDone(message: unknown): Done {
  return message as Done;
}
