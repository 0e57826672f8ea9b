/** One run, from the first bot to the last word of the farm's books. */
import { setInterval } from 'node:timers';
import type { Clock } from '../../core/clock.ts';
import { startProgress } from '../progress.ts';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import type { Verdict } from './account.ts';
import { cancelQueued, readBooks } from './books.ts';
import type { Connections } from './connections.ts';
import { botIdsOf, type Crew, startCrew } from './crew.ts';
import { awaitCalls, type OwedCalls } from './owed-calls.ts';
import type { Plan } from './plan.ts';
import { createScoreboard, type Scoreboard } from './scoreboard.ts';
import { dueMs } from './shape.ts';
import { submit } from './submit.ts';
import { makeTokens } from './tokens.ts';
import { createRequests } from './work.ts';

/** `complete`: all that was acknowledged ended. `gave up`: nothing ended any more. `stopped`: real work came by. */
export type Ending = 'complete' | 'gave up' | 'interrupted' | 'stopped';

export type Outcome = {
  readonly ending: Ending;
  readonly board: Scoreboard;
  readonly verdict: Verdict;
  /** Why the farm's books could not be read, so that the verdict goes by what we were told; null: they were. */
  readonly unread: string | null;
  /** On the clock: when the first job was due, and when the last answer to an enqueue was there. */
  readonly startMs: number;
  readonly submittedMs: number;
  /** How much of the time the generator's only thread was busy while it submitted, from 0 to 1. */
  readonly busyShare: number;
  /** null: its jobs owed none. */
  readonly calls: OwedCalls | null;
  /** Of the queue, at the end. */
  readonly cancelledQueued: number;
  /** Bots whose goodbye was not heard: their sessions end by their time to live. */
  readonly unheard: number;
};

export type Surroundings = {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly random: () => number;
  readonly terminal: Terminal;
  /** Ctrl-C. */
  readonly interrupted: AbortSignal;
};

const LOOK_MS = 50;
const DRAW_MS = 250;
/** For the bots to leave: all of them, and each. */
const LEAVE_MS = 20_000;
const LEAVE_EACH_MS = 10;
/** What a token outlives the longest that its run may take. */
const TOKEN_SPARE_MS = 10 * 60_000;

/** @throws Failure where the farm does not let the run begin, or will not have one of its bots. */
export const runLoad = async (plan: Plan, around: Surroundings): Promise<Outcome> => {
  const { connections, clock, interrupted } = around;
  const halted = new AbortController();
  /** No more is sent, and the bots leave. */
  const stopping = AbortSignal.any([interrupted, halted.signal]);
  const settled = new AbortController();
  const leaving = AbortSignal.any([stopping, settled.signal]);
  const troubles: unknown[] = [];
  const board = createScoreboard(plan, clock, () => halted.abort());
  const holdMs = plan.timing.durationMs + plan.settleMs + TOKEN_SPARE_MS;
  const tokens = await makeTokens(connections, { instance: plan.instance, botIds: botIdsOf(plan), holdMs });
  try {
    const broken = (error: unknown): void => {
      troubles.push(error);
      halted.abort();
    };
    const { random } = around;
    const hands = { connections, clock, random, leaving, tokens, failed: board.failed, witness: board, broken };
    const crew = startCrew(plan, hands);
    const times = await work(plan, around, { board, crew, stopping });
    settled.abort();
    const unheard = await untilLeft(crew, plan, clock);
    const isComplete = times.hasSettled && !stopping.aborted;
    const audit = await closeBooks(plan, { ...around, board, isComplete, stopping });
    const [trouble] = troubles;
    if (trouble !== undefined) throw toError(trouble);
    const ending = endingOf({ isComplete, wasInterrupted: interrupted.aborted, wasHalted: halted.signal.aborted });
    return { ...times, ...audit, ending, board, unheard };
  } finally {
    await tokens.revoke();
  }
};

type Closing = { readonly board: Scoreboard; readonly isComplete: boolean; readonly stopping: AbortSignal };

/** Cancels what is left, and asks the farm how everything ended. What was measured is not thrown away if it cannot say. */
const closeBooks = async (
  plan: Plan,
  { connections, clock, board, isComplete, stopping }: Surroundings & Closing,
): Promise<Pick<Outcome, 'verdict' | 'cancelledQueued' | 'calls' | 'unread'>> => {
  const { account, read } = board;
  const { instance, duts, settleMs: patienceMs } = plan;
  try {
    const calls = duts ? await awaitCalls(connections, clock, { instance, patienceMs, stopping }) : null;
    const cancelledQueued = isComplete ? 0 : await cancelQueued(connections, plan);
    const books = await readBooks(connections, plan, read().firstId);
    return { cancelledQueued, calls, verdict: account.judge(books), unread: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { cancelledQueued: 0, calls: null, verdict: account.judge(account.told()), unread: error.message };
  }
};

/** How many were not heard; all of them when it takes too long. */
const untilLeft = async ({ left }: Crew, { bots }: Plan, clock: Clock): Promise<number> => {
  const over = new AbortController();
  const unheard = await Promise.race([
    left,
    clock.sleep(LEAVE_MS + bots * LEAVE_EACH_MS, over.signal).then(() => bots),
  ]);
  over.abort();
  return unheard;
};

const endingOf = (how: { isComplete: boolean; wasInterrupted: boolean; wasHalted: boolean }): Ending => {
  if (how.isComplete) return 'complete';
  if (how.wasHalted) return 'stopped';
  return how.wasInterrupted ? 'interrupted' : 'gave up';
};

type Working = { readonly board: Scoreboard; readonly crew: Crew; readonly stopping: AbortSignal };
type Times = Pick<Outcome, 'startMs' | 'submittedMs' | 'busyShare'> & { readonly hasSettled: boolean };

/** Everything that is measured: from the moment when all bots wait. */
const work = async (plan: Plan, around: Surroundings, { board, crew, stopping }: Working): Promise<Times> => {
  const { clock, connections, random, terminal } = around;
  const joining = draw(terminal, { total: plan.bots, what: 'bots join' }, () => [board.read().joined, '']);
  await crew.joined;
  joining();
  const startMs = clock.monotonicMs();
  board.begin(startMs);
  const begun = performance.eventLoopUtilization();
  const drawing = draw(terminal, { total: plan.jobs, what: 'jobs' }, () => [
    board.account.completions(),
    liveWords(board, clock.monotonicMs() - startMs),
  ]);
  try {
    const requestOf = createRequests(plan);
    const due = (number: number): number => dueMs(plan.shape, plan.timing, number);
    const { jobs } = plan;
    await submit({ connections, clock, random, jobs, dueMs: due, requestOf, startMs, stopping, witness: board });
    const submittedMs = clock.monotonicMs();
    const busyShare = performance.eventLoopUtilization(begun).utilization;
    const hasSettled = await settle(plan, clock, board, stopping);
    return { startMs, submittedMs, busyShare, hasSettled };
  } finally {
    drawing();
  }
};

/** Whether all that was acknowledged has ended; false: nothing ends any more, or it is to stop. */
const settle = async (plan: Plan, clock: Clock, { account }: Scoreboard, stopping: AbortSignal): Promise<boolean> => {
  let [seen, sinceMs] = [account.completions(), clock.monotonicMs()];
  while (account.outstanding() > 0) {
    if (stopping.aborted || clock.monotonicMs() - sinceMs > plan.settleMs) return false;
    await clock.sleep(LOOK_MS, stopping);
    if (account.completions() !== seen) [seen, sinceMs] = [account.completions(), clock.monotonicMs()];
  }
  return true;
};

const liveWords = ({ series, figures }: Scoreboard, sinceStartMs: number): string => {
  const { p50, p99 } = figures.read('job');
  const rate = series.latest(sinceStartMs)?.finished ?? 0;
  if (p50 === null || p99 === null) return `${String(rate)}/s`;
  return `${String(rate)}/s  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms`;
};

/** Draws again and again; call the result to stop. */
const draw = (
  terminal: Terminal,
  bar: { readonly total: number; readonly what: string },
  look: () => readonly [done: number, words: string],
): (() => void) => {
  const progress = startProgress(terminal, bar);
  const show = (): void => progress.show(...look());
  const timer = setInterval(show, DRAW_MS);
  return () => {
    clearInterval(timer);
    show();
    progress.end();
  };
};

const toError = (trouble: unknown): Error => (trouble instanceof Error ? trouble : new Error(String(trouble)));
