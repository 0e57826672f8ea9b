/**
 * The open loop: each job is sent when it is due, however the farm fares, and is measured from then. A generator that waits for
 * answers sends less exactly when the farm is slow, and its figures flatter (coordinated omission).
 */
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../../core/clock.ts';
import { type EnqueueJobRequest, JobsService } from '../../gen/stationgrid/v1/jobs.ts';
import { backoffMs } from './backoff.ts';
import type { Connections } from './connections.ts';

const ANSWER_MS = 10_000;
/** More enqueues than this are not open at once: the next wait, and their waiting counts as theirs. */
const OPEN_MAX = 10_000;
/** A request that was perhaps not heard is repeated under its id; so often, and its job counts as refused. */
const TRIES_MAX = 6;

const passingCodes: readonly status[] = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.ABORTED];

export type SubmitOptions = {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly random: () => number;
  readonly jobs: number;
  /** Milliseconds after the start at which a job is due; never falls from one number to the next. */
  readonly dueMs: (number: number) => number;
  readonly requestOf: (number: number) => EnqueueJobRequest;
  /** On `clock`. */
  readonly startMs: number;
  /** Aborts when no more is to be sent; what is open is waited for. */
  readonly stopping: AbortSignal;
  readonly witness: SubmitWitness;
};

export type SubmitWitness = {
  readonly sent: (number: number) => void;
  readonly enqueued: (number: number, id: number) => void;
  /** The job is given up. */
  readonly refused: (number: number) => void;
  readonly failed: (verb: string, error: ServiceError) => void;
};

/** Resolves when the last answer is there. */
export const submit = async (options: SubmitOptions): Promise<void> => {
  const { clock, jobs, dueMs, startMs, stopping } = options;
  const open = new Set<Promise<void>>();
  for (let number = 0; number < jobs && !stopping.aborted; number += 1) {
    const waitMs = startMs + dueMs(number) - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, stopping);
    while (open.size >= OPEN_MAX) await Promise.race(open);
    // A loop can change what the line above saw.
    if (isAborted(stopping)) break;
    const sending = enqueue(options, number).finally(() => open.delete(sending));
    open.add(sending);
  }
  await Promise.all(open);
};

const isAborted = (signal: AbortSignal): boolean => signal.aborted;

const enqueue = async (options: SubmitOptions, number: number): Promise<void> => {
  const { connections, clock, random, stopping, witness } = options;
  const request = options.requestOf(number);
  witness.sent(number);
  for (let tries = 1; ; tries += 1) {
    const through = number + tries - 1;
    const answer = await connections.call(JobsService.enqueueJob, request, { through, deadlineMs: ANSWER_MS });
    if (answer.kind === 'answered') {
      witness.enqueued(number, Number(answer.reply.id));
      return;
    }
    witness.failed('EnqueueJob', answer.error);
    if (!passingCodes.includes(answer.error.code) || tries >= TRIES_MAX || stopping.aborted) break;
    await clock.sleep(backoffMs(tries, random), stopping);
  }
  witness.refused(number);
};
