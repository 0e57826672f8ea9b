/**
 * Connections that a worker was handed and has not taken when it ends. node:cluster keeps those open for ever: their
 * clients have connected, nobody answers them, and a gRPC client without keepalive waits until it is restarted (seen with
 * grpc-js). Closed, it connects again, and comes to a worker that lives.
 *
 * What is listened to here are node's own words between a primary and its workers, of which there is no public account.
 * Should they change, nothing is closed; test/e2e/workers.test.ts would see it.
 */
import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../core/clock.ts';

type Connection = { readonly close: () => void };

/** What a dead worker had said is heard within this: its channel need not end when it does, with a connection in it. */
const LAST_WORDS_MS = 1_000;

/** To be called before the worker listens anywhere. */
export const closeUntaken = (worker: ChildProcess, clock: Clock): void => {
  const handed = new Map<number, Connection>();
  const send = worker.send.bind(worker);
  worker.send = (...words: readonly unknown[]) => {
    const [message, connection] = words;
    const { act, seq } = toInnerMessage(message);
    if (act === 'newconn' && seq !== undefined && connection !== undefined) handed.set(seq, toConnection(connection));
    return toBoolean(Reflect.apply(send, worker, words));
  };
  worker.on('internalMessage', (message: unknown) => {
    const { ack } = toInnerMessage(message);
    if (ack !== undefined) handed.delete(ack);
  });
  const heardAll = new AbortController();
  worker.once('disconnect', () => heardAll.abort());
  worker.once('exit', () => {
    void clock.sleep(LAST_WORDS_MS, heardAll.signal).then(() => {
      for (const connection of handed.values()) connection.close();
      handed.clear();
      // Otherwise node keeps the dead among those that listen, and this process alive.
      if (worker.connected) worker.disconnect();
    });
  });
};

function toBoolean(value: unknown): boolean {
  return value === true;
}

function toInnerMessage(message: unknown): { readonly act?: string; readonly seq?: number; readonly ack?: number } {
  return typeof message === 'object' && message !== null ? message : {};
}

function toConnection(handle: unknown): Connection {
  return handle as Connection;
}
