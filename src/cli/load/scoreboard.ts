/** Everything that is counted while a run goes on. Whoever sees something says so here; nobody else keeps figures. */
import type { ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../core/clock.ts';
import { codeWords } from '../errors.ts';
import { type Account, createAccount } from './account.ts';
import type { Witness } from './bot.ts';
import { createFigures, type Figures } from './figures.ts';
import type { Plan } from './plan.ts';
import { createSeries, type Series } from './series.ts';
import { dueMs } from './shape.ts';
import type { SubmitWitness } from './submit.ts';

/** Calls that failed, by what was asked and how it was answered. Each was repeated, unless a job is counted as refused. */
export type ErrorCount = { readonly verb: string; readonly answer: string; readonly count: number };

export type Scoreboard = Witness &
  SubmitWitness & {
    readonly figures: Figures;
    readonly series: Series;
    readonly account: Account;
    readonly begin: (startMs: number) => void;
    readonly read: () => Counts;
    readonly errors: () => readonly ErrorCount[];
  };

export type Counts = {
  readonly joined: number;
  readonly sent: number;
  readonly refused: number;
  readonly foreign: number;
  /** On the clock; null: none has ended. */
  readonly lastEndMs: number | null;
  /** The lowest id that the farm gave; Infinity: none. */
  readonly firstId: number;
};

export const createScoreboard = (plan: Plan, clock: Clock, onForeign: () => void): Scoreboard => {
  const [figures, series, account] = [createFigures(), createSeries(), createAccount(plan.jobs)];
  const failures = new Map<string, ErrorCount>();
  const counts = { joined: 0, sent: 0, refused: 0, foreign: 0, lastEndMs: toMaybe(null), firstId: Infinity };
  let startMs = clock.monotonicMs();
  const sinceStart = (): number => Math.max(0, clock.monotonicMs() - startMs);
  const sinceDue = (number: number): number => sinceStart() - dueMs(plan.shape, plan.timing, number);
  return {
    ...{ figures, series, account },
    begin: (at) => {
      startMs = at;
    },
    read: () => ({ ...counts }),
    errors: () => [...failures.values()].sort((a, b) => b.count - a.count),
    joined: () => {
      counts.joined += 1;
    },
    sent: (number) => {
      counts.sent += 1;
      figures.record('lag', sinceDue(number));
      series.count('sent', sinceStart());
    },
    enqueued: (number, id) => {
      account.enqueued(number, id);
      counts.firstId = Math.min(counts.firstId, id);
      figures.record('enqueue', sinceDue(number));
      series.count('enqueued', sinceStart());
    },
    refused: () => {
      counts.refused += 1;
    },
    leased: (number) => figures.record('lease', sinceDue(number)),
    completed: (number, tookMs) => {
      account.completed(number);
      counts.lastEndMs = clock.monotonicMs();
      figures.record('completion', tookMs);
      figures.record('job', sinceDue(number));
      series.finish(sinceStart(), sinceDue(number));
    },
    foreign: () => {
      counts.foreign += 1;
      onForeign();
    },
    failed: (verb, error: ServiceError) => {
      const answer = codeWords(error);
      const key = `${verb} ${answer}`;
      failures.set(key, { verb, answer, count: (failures.get(key)?.count ?? 0) + 1 });
      series.count('errors', sinceStart());
    },
  };
};

const toMaybe = (value: number | null): number | null => value;
