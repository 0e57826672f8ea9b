/** Workers as node:cluster has them: processes of this very command that share its listening sockets. */
import cluster, { type Worker } from 'node:cluster';
import type { Clock } from '../core/clock.ts';
import { type Answers, type Ask, openExchange, Unanswered } from './exchange.ts';
import type { AskedOfPrimary, AskedOfWorker } from './talk.ts';
import { closeUntaken } from './untaken.ts';

/** How a process ended. */
export type Ending = {
  readonly code: number | null;
  readonly signal: string | null;
  /** In words, why there never was one: its program is gone, or the machine has no room for it. Absent: there was. */
  readonly why?: string;
};

/** A worker's process, as its primary has it. */
export type WorkerProcess = {
  /** 0: it could not be started. */
  readonly pid: number;
  readonly ask: Ask<AskedOfWorker>;
  readonly ended: Promise<Ending>;
  /** kill -9. */
  readonly kill: () => void;
};

export type Fork = (number: number, answers: Answers<AskedOfPrimary>) => WorkerProcess;

/** By which a process knows that it is a worker, and which one. */
const WORKER = 'STATIONGRID_WORKER';

/** Null: this process is none. The variable alone would make one of any process that inherits it. */
export const workerNumber = (env: Readonly<Record<string, string | undefined>>): number | null =>
  cluster.isWorker && env[WORKER] !== undefined ? Number(env[WORKER]) : null;

export const forkWith =
  (clock: Clock): Fork =>
  (number, answers) => {
    // The primary accepts and deals connections out in turn. Left to the kernel, most would go to one or two workers.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    const started = startProcess(number);
    if ('neverWas' in started) return unborn(started.neverWas);
    const { worker } = started;
    closeUntaken(worker.process, clock);
    const over = new AbortController();
    const ended = new Promise<Ending>((resolve) => {
      worker.once('exit', (code, signal) => {
        over.abort();
        resolve({ code, signal });
      });
    });
    // Without a listener a message that comes too late would end the primary.
    worker.on('error', () => undefined);
    const wire = {
      send: (message: unknown) => {
        if (worker.isConnected()) worker.send(toSendable(message), () => undefined);
      },
      hear: (take: (message: unknown) => void) => void worker.on('message', take),
      over: over.signal,
    };
    return {
      pid: worker.process.pid ?? 0,
      ask: openExchange<AskedOfWorker, AskedOfPrimary>(wire, clock, answers),
      ended,
      kill: () => void worker.process.kill('SIGKILL'),
    };
  };

/** Node tells by an event of most processes that it could not start, throws for others, and says of neither that it ended. */
const startProcess = (number: number): { readonly worker: Worker } | { readonly neverWas: Promise<string> } => {
  try {
    const worker = cluster.fork({ [WORKER]: String(number) });
    if (worker.process.pid !== undefined) return { worker };
    return { neverWas: new Promise((resolve) => worker.once('error', ({ message }) => resolve(message))) };
  } catch (error) {
    return { neverWas: Promise.resolve(error instanceof Error ? error.message : String(error)) };
  }
};

const unborn = (neverWas: Promise<string>): WorkerProcess => ({
  pid: 0,
  ask: () => Promise.reject(new Unanswered('the process could not be started')),
  ended: neverWas.then((why) => ({ code: null, signal: null, why })),
  kill: () => undefined,
});

/** The other end, in the worker. */
export type Primary = {
  readonly ask: Ask<AskedOfPrimary>;
  /** Aborts when the primary is gone before we have left, whatever it died of. */
  readonly lost: AbortSignal;
  /** Lets go of the channel, which would keep this process alive. */
  readonly leave: () => void;
};

export const joinPrimary = (clock: Clock, answers: Answers<AskedOfWorker>): Primary => {
  const lost = new AbortController();
  let hasLeft = false;
  const own = cluster.worker;
  if (own === undefined) throw new Error('this process has no primary');
  own.once('disconnect', () => {
    // Otherwise node ends the process on the spot. It has polls to answer and writes to finish.
    own.exitedAfterDisconnect = true;
    if (!hasLeft) lost.abort();
  });
  own.on('error', () => undefined);
  const wire = {
    send: (message: unknown) => {
      if (own.isConnected()) own.send(toSendable(message), () => undefined);
    },
    hear: (take: (message: unknown) => void) => void own.on('message', take),
    over: lost.signal,
  };
  return {
    ask: openExchange<AskedOfPrimary, AskedOfWorker>(wire, clock, answers),
    lost: lost.signal,
    leave: () => {
      hasLeft = true;
      own.exitedAfterDisconnect = true;
      if (own.isConnected()) process.disconnect();
    },
  };
};

/** It goes as JSON. */
function toSendable(message: unknown): object {
  return message as object;
}
