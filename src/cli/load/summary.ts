/** What a run has found: the object for programs, and what of it people should know first. */
import type { Verdict } from './account.ts';
import { type Percentiles, type Stage, stages } from './figures.ts';
import type { OwedCalls } from './owed-calls.ts';
import { type Plan, warningsOf } from './plan.ts';
import type { Ending, Outcome } from './run-load.ts';
import type { ErrorCount } from './scoreboard.ts';
import type { SeriesRow } from './series.ts';

export type Summary = {
  readonly run: string;
  readonly ending: Ending;
  /** What was asked for. Durations in milliseconds. */
  readonly plan: {
    readonly instance: string;
    readonly servers: readonly string[];
    readonly connections: number;
    readonly bots: number;
    readonly shape: string;
    readonly ratePerSecond: number;
    readonly durationMs: number;
    readonly periodMs: number;
    readonly jobs: number;
    readonly station: string;
    readonly tests: number;
    readonly runMs: number;
    readonly results: string;
    readonly duts: boolean;
  };
  readonly seconds: { readonly submitting: number; readonly working: number };
  /** Jobs a second: acknowledged while submitting; ended, from the first due to the last end. */
  readonly rate: { readonly enqueued: number; readonly finished: number };
  readonly jobs: Verdict & {
    readonly sent: number;
    readonly refused: number;
    readonly cancelledQueued: number;
  };
  readonly latencyMs: Readonly<Record<Stage, Percentiles>>;
  /** null: its jobs owed the shopfloor none. */
  readonly calls: OwedCalls | null;
  readonly generator: { readonly busyShare: number };
  readonly errors: readonly ErrorCount[];
  readonly series: readonly SeriesRow[];
  /** What to bear in mind when reading the figures. */
  readonly notes: readonly string[];
  /** What must not be; empty: every acknowledged job ended exactly once. */
  readonly wrong: readonly string[];
};

/** Above this a thread does little but run behind. */
const BUSY_SHARE_MAX = 0.85;
/** A generator later than this measures itself. */
const LAG_MAX_MS = 50;

export const summarise = (plan: Plan, outcome: Outcome): Summary => {
  const { board, startMs, submittedMs, busyShare, ending, verdict, cancelledQueued } = outcome;
  const { figures, series } = board;
  const { sent, refused, lastEndMs } = board.read();
  const submitting = (submittedMs - startMs) / 1000;
  const working = ((lastEndMs ?? submittedMs) - startMs) / 1000;
  const { run, instance, servers, connections, bots, shape, timing, jobs, station, tests, runMs, results, duts } = plan;
  return {
    run,
    ending,
    plan: {
      ...{ instance, servers, connections, bots, shape, ...timing, jobs, station, tests, runMs, results, duts },
    },
    seconds: { submitting: rounded(submitting), working: rounded(working) },
    rate: {
      enqueued: rounded(perSecond(board.account.acknowledged(), submitting)),
      finished: rounded(perSecond(board.account.completions(), working)),
    },
    jobs: { sent, refused, ...verdict, cancelledQueued },
    latencyMs: toByStage(stages.map((stage) => [stage, figures.read(stage)])),
    calls: outcome.calls,
    generator: { busyShare: rounded(busyShare) },
    errors: board.errors(),
    series: series.rows(),
    notes: [...warningsOf(plan), ...notesOf(outcome)],
    wrong: wrongOf(outcome),
  };
};

const notesOf = ({ busyShare, board, unheard, calls }: Outcome): readonly string[] => {
  const lag = board.figures.read('lag').p99 ?? 0;
  const { sent, refused } = board.read();
  const isLate = sent > 0 && (busyShare > BUSY_SHARE_MAX || lag > LAG_MAX_MS);
  const words = `The generator itself was busy ${(busyShare * 100).toFixed(0)} % of the time and sent jobs up to ${lag.toFixed(0)} ms late (p99)`;
  return [
    ...(isLate ? [`${words}: let several share the work before you blame the farm.`] : []),
    ...(calls === null || calls.owed === 0 ? [] : [`${String(calls.owed)} shopfloor calls are still owed.`]),
    ...(calls === null || calls.dead === 0 ? [] : [`${String(calls.dead)} shopfloor calls wait for an operator.`]),
    ...(refused === 0 ? [] : [`${String(refused)} jobs were not taken by the farm; the errors say why.`]),
    ...(unheard === 0
      ? []
      : [`${String(unheard)} bots could not say goodbye; their sessions end by their time to live.`]),
  ];
};

const wrongOf = ({ ending, verdict, board, unread }: Outcome): readonly string[] => {
  const { lost, duplicates, unfinished, failed, cancelled, enqueued } = verdict;
  // Cancelled in the end by us, or meanwhile by somebody else.
  const open = unfinished + cancelled;
  const isWhole = ending === 'complete' || ending === 'gave up';
  return [
    ...(ending === 'stopped'
      ? ['a job of somebody else reached a bot of this run, which handed it back unstarted']
      : []),
    ...(unread === null ? [] : [`the farm's books could not be read: ${unread}`]),
    ...(lost === 0 ? [] : [`${String(lost)} acknowledged jobs are not in the farm's books as acknowledged`]),
    ...(duplicates === 0 ? [] : [`${String(duplicates)} jobs were enqueued or completed twice`]),
    ...(failed === 0 ? [] : [`${String(failed)} jobs failed`]),
    ...(isWhole && open > 0 ? [`${String(open)} jobs did not end; those in the queue were cancelled`] : []),
    ...(isWhole && enqueued === 0 && board.read().sent > 0 ? ['the farm took no job'] : []),
  ];
};

const perSecond = (n: number, seconds: number): number => (seconds > 0 ? n / seconds : 0);
const rounded = (n: number): number => Math.round(n * 1000) / 1000;

function toByStage(entries: readonly (readonly [Stage, Percentiles])[]): Readonly<Record<Stage, Percentiles>> {
  return Object.fromEntries(entries) as Record<Stage, Percentiles>;
}
