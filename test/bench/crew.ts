/**
 * Bots without a wire: each takes its work through the farm's own verbs, in a closed loop of lease, ACTIVE, COMPLETED with
 * one result. They do nothing between two calls, so what is measured is the farm.
 */
import { OK } from '../../src/core/bot-session.ts';
import { canonicalProperties, propertiesText } from '../../src/core/match.ts';
import type { ReportedLease, SelfDescription } from '../../src/core/session-report.ts';
import type { TestResult } from '../../src/core/test-result.ts';
import { createBotSession } from '../../src/farm/create-bot-session.ts';
import type { Home } from '../../src/farm/home.ts';
import type { HeldLease } from '../../src/farm/sessions.ts';
import type { Patience } from '../../src/farm/park.ts';
import { updateBotSession } from '../../src/farm/update-bot-session.ts';
import { INSTANCE } from './line.ts';

export type Worker = {
  readonly home: Home;
  readonly botId: string;
  readonly name: string;
  readonly self: SelfDescription;
  /** As the last reply had them. */
  leases: readonly HeldLease[];
};

/** Sessions that are made at once. */
const OPENING_AT_ONCE = 64;

/** Each on a DUT of its own, since calls are owed for DUTs only. @param given.properties of the worker with this number. */
export const openWorkers = async (
  home: Home,
  given: {
    readonly count: number;
    readonly prefix: string;
    readonly properties?: (number: number) => readonly (readonly [string, string])[];
  },
): Promise<Worker[]> => {
  const { count, prefix, properties = () => [] } = given;
  const workers: Worker[] = [];
  const open = async (number: number): Promise<void> => {
    const botId = `${prefix}-${number}`;
    const self: SelfDescription = {
      status: OK,
      version: '1',
      capacity: 1,
      properties: propertiesText(canonicalProperties(properties(number))),
      duts: [[{ name: 'serials.mlb_serial_number', value: `DUT-${botId}` }]],
    };
    const request = { instance: INSTANCE, botId, self, leases: [], peer: 'bench' };
    const { name, leases } = await createBotSession(home, request);
    workers.push({ home, botId, name, self, leases });
  };
  for (let first = 0; first < count; first += OPENING_AT_ONCE) {
    const numbers = Array.from({ length: Math.min(OPENING_AT_ONCE, count - first) }, (_, index) => first + index);
    await Promise.all(numbers.map(open));
  }
  return workers;
};

/** One call of the bot: it says what became of what it was given last, and hears what it holds now. */
export const callOnce = async (worker: Worker, signal: AbortSignal): Promise<{ readonly completed: number }> => {
  const leases = worker.leases.map(progressOf);
  const patience: Patience = { untilDeadlineMs: POLL_MS, signal };
  const { name, botId, self } = worker;
  const reply = await updateBotSession(worker.home, { name, botId, self, leases }, patience);
  worker.leases = reply.leases;
  return { completed: leases.filter(({ state }) => state === 'COMPLETED').length };
};

/** As bots poll. */
const POLL_MS = 60_000;

/** The next thing that a bot has to say of the lease. */
const progressOf = ({ id, state }: HeldLease): ReportedLease => {
  switch (state) {
    case 'PENDING':
      return { id, state: 'ACTIVE' };
    case 'ACTIVE':
      return {
        id,
        state: 'COMPLETED',
        completion: { code: 0, message: '', results: [RESULT], unread: null, result: null },
      };
    case 'CANCELLING':
      return { id, state: 'CANCELLED' };
  }
};

const RESULT: TestResult = {
  testId: 'probe',
  status: 'PASSED',
  errorMessage: '',
  measurements: [{ name: 'vcc', value: 3.31, unit: 'V', min: 3.2, max: 3.4, verdict: 'PASSED' }],
  attachments: [],
  startedAt: '2026-11-22T08:00:00.000Z',
  durationMs: 1200,
  logsTail: '',
};

/** Before anything is counted: the first calls of a run plan, compile and fetch. */
export const WARM_MS = 1_000;

export type Stretch = {
  readonly jobs: number;
  readonly perSecond: number;
  /** From the reply that brought the lease to the reply that took its result. */
  readonly jobMs: readonly number[];
};

export type Crew = {
  /** Lets them work, and counts after `warmMs`; then they rest where they are, with what they hold. */
  readonly work: (times: { readonly warmMs: number; readonly forMs: number }) => Promise<Stretch>;
};

/** @param onDone told of each completed job, for whoever keeps the queue as long as it is. */
export const crewOf = (workers: readonly Worker[], onDone: (jobs: number) => void = () => undefined): Crew => {
  let tally = newTally();
  const run = async (worker: Worker, resting: AbortController): Promise<void> => {
    let grantedMs = performance.now();
    while (!resting.signal.aborted) {
      const { completed } = await callOnce(worker, resting.signal);
      const nowMs = performance.now();
      if (completed > 0) {
        onDone(completed);
        tally.add(nowMs, nowMs - grantedMs);
      }
      if (worker.leases.some(({ state }) => state === 'PENDING')) grantedMs = nowMs;
    }
  };
  return {
    work: async ({ warmMs, forMs }) => {
      const resting = new AbortController();
      const running = workers.map((worker) =>
        run(worker, resting).catch((error: unknown) => {
          resting.abort();
          throw error;
        }),
      );
      await sleep(warmMs, resting.signal);
      tally = newTally();
      await sleep(forMs, resting.signal);
      const counted = tally;
      tally = newTally();
      resting.abort();
      // What a bot has met, before what is missing because of it.
      await Promise.all(running);
      return counted.read();
    },
  };
};

/** Jobs that end together end in one commit. */
const TOGETHER_MS = 2;

/**
 * Counts from the end of one commit to the end of another. Where hundreds of jobs share one, the edges of the time that
 * is measured would otherwise weigh more than what is measured.
 */
const newTally = () => {
  const commits: { atMs: number; jobs: number }[] = [];
  const jobMs: number[] = [];
  return {
    add: (atMs: number, tookMs: number): void => {
      const last = commits.at(-1);
      if (last !== undefined && atMs - last.atMs < TOGETHER_MS) {
        last.atMs = atMs;
        last.jobs += 1;
      } else commits.push({ atMs, jobs: 1 });
      jobMs.push(tookMs);
    },
    read: (): Stretch => {
      const [first, ...others] = commits;
      const last = others.at(-1);
      if (first === undefined || last === undefined)
        throw new Error('hardly a job was done: there is nothing to measure');
      const jobs = others.reduce((sum, commit) => sum + commit.jobs, 0);
      return { jobs, perSecond: (jobs * 1000) / (last.atMs - first.atMs), jobMs };
    },
  };
};

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
