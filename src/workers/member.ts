/** One worker from its fork to its end: whether it serves, whether it still answers, and how it is let go. */
import { CannotStart } from '../core/cannot-start.ts';
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';
import type { Answers } from './exchange.ts';
import type { Ending, Fork, WorkerProcess } from './fork.ts';
import type { AskedOfPrimary, WorkerDoors } from './talk.ts';

type Say = (facts: Readonly<Record<string, unknown>>, sentence: string) => void;

export type MemberParts = {
  readonly fork: Fork;
  readonly limits: Limits['workers'];
  readonly clock: Clock;
  readonly log: { readonly info: Say; readonly warn: Say; readonly error: Say };
  /** What workers ask that is not theirs alone. */
  readonly answers: Pick<Answers<AskedOfPrimary>, 'begin' | 'metrics' | 'ready'>;
  readonly witness: {
    /** What a worker has counted so far, under a number that no other ever has. */
    readonly counted: (process: number, page: unknown) => void;
    readonly gone: (process: number) => void;
  };
};

export type Member = {
  /** Of all that this primary has ever forked, from 1. */
  readonly process: number;
  readonly place: number;
  readonly worker: WorkerProcess;
  readonly startedMs: number;
  /** Resolves with true when it serves, with false when it has ended before. */
  readonly began: Promise<boolean>;
  /** Aborts when it has ended. */
  readonly over: AbortSignal;
  /** Whether it listens to us already. */
  hasBegun: boolean;
  /** Null before it serves. */
  doors: WorkerDoors | null;
  /** What it said it cannot start for; empty: nothing. */
  refusal: string;
};

export const hasEnded = ({ over }: Pick<Member, 'over'>): boolean => over.aborted;

export const forkMember = (parts: MemberParts, { process, place }: Pick<Member, 'process' | 'place'>): Member => {
  const { fork, clock, answers, witness } = parts;
  const serves = Promise.withResolvers<boolean>();
  const over = new AbortController();
  const worker = fork(place, {
    ...answers,
    begin: (about) => {
      member.hasBegun = true;
      return answers.begin(about);
    },
    serving: (doors) => {
      member.doors = doors;
      serves.resolve(true);
      return null;
    },
    refused: ({ why }) => {
      member.refusal = why;
      return null;
    },
    counted: ({ page }) => {
      // Node may tell of an end before it hands over what was said last, and the dead count no more.
      if (!hasEnded(member)) witness.counted(process, page);
      return null;
    },
  });
  const startedMs = clock.monotonicMs();
  const early = { hasBegun: false, doors: null, refusal: '' };
  const member: Member = { process, place, worker, startedMs, began: serves.promise, over: over.signal, ...early };
  void worker.ended.then(() => {
    over.abort();
    witness.gone(process);
    serves.resolve(false);
  });
  void watch(parts, member);
  return member;
};

/** Kills a worker that does not serve in time, or that has stopped answering: nobody else would. */
const watch = async ({ clock, limits, log }: MemberParts, member: Member): Promise<void> => {
  const { place, worker, over } = member;
  const kill = (sentence: string): void => {
    log.error({ worker: place, pid: worker.pid }, sentence);
    worker.kill();
  };
  await Promise.race([member.began, clock.sleep(limits.startMs, over)]);
  if (hasEnded(member)) return;
  if (member.doors === null) {
    kill(`a worker did not serve within ${limits.startMs} ms: it is killed`);
    return;
  }
  const halfMs = limits.silentMs / 2;
  for (;;) {
    await clock.sleep(halfMs, over);
    if (hasEnded(member)) return;
    const isAlive = await worker.ask('alive', null, halfMs).then(
      () => true,
      () => false,
    );
    if (hasEnded(member)) return;
    if (isAlive) continue;
    kill('a worker has stopped answering: it is killed');
    return;
  }
};

/** Tells it to stop, and waits until it has; kills it when it does not in time. */
export const dismiss = async ({ clock, limits, log }: MemberParts, member: Member): Promise<void> => {
  const { worker, place, over } = member;
  // It has nothing yet, and would not hear.
  if (!member.hasBegun) worker.kill();
  // Who cannot be asked is waited for, and killed, like who does not follow.
  await worker.ask('stop', null, limits.answerMs).catch(() => undefined);
  await Promise.race([worker.ended, clock.sleep(limits.stopMs, over)]);
  if (!hasEnded(member)) {
    log.warn({ worker: place, pid: worker.pid }, `a worker did not stop within ${limits.stopMs} ms: it is killed`);
    worker.kill();
  }
  await worker.ended;
};

/** How it ended, for the log. */
export const endingOf = ({ place, worker, refusal }: Member, ending: Ending): Readonly<Record<string, unknown>> => ({
  worker: place,
  pid: worker.pid,
  ...ending,
  ...(refusal === '' ? {} : { why: refusal }),
});

/** Why it never served. */
export const failureOf = ({ refusal, place }: Member, { code, signal, why }: Ending): Error => {
  if (refusal !== '') return new CannotStart(refusal);
  return new Error(
    why === undefined
      ? `worker ${place} ended with ${signal ?? `exit code ${String(code)}`} before it served`
      : `the process of worker ${place} could not be started: ${why}`,
  );
};
