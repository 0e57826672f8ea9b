/** What a run is to be, checked before anything is asked of the farm. */
import type { FarmOptions } from '../connect.ts';
import { EXIT } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { jobsOf, type Shape, type Timing } from './shape.ts';

export type LoadOptions = FarmOptions & {
  readonly bots: number;
  readonly rate: number;
  readonly duration: number;
  readonly shape: Shape;
  readonly period: number;
  readonly tests: number;
  readonly runMs: number;
  readonly results: 'live' | 'end';
  readonly connections?: number;
  readonly station: string;
  readonly settle: number;
  readonly duts?: true;
  readonly besideOtherWork?: true;
  readonly json?: true;
};

export type Plan = {
  /** Names this run: in its bots' ids, in its request ids, and as the constraint by which only they find each other. */
  readonly run: string;
  readonly instance: string;
  /** HOST:PORT of each replica's door. */
  readonly servers: readonly string[];
  readonly connections: number;
  readonly bots: number;
  readonly shape: Shape;
  readonly timing: Timing;
  /** Jobs of the whole run. */
  readonly jobs: number;
  readonly station: string;
  readonly tests: number;
  /** Whether each bot has a DUT, so that jobs owe the line's shopfloor its calls. */
  readonly duts: boolean;
  /** How long a station runs. */
  readonly runMs: number;
  /** Whether results are told as each test ends, as stationgrid-bot does, or all with the completion. */
  readonly results: 'live' | 'end';
  /** Once all jobs are sent, how long nothing may end before the rest is given up. */
  readonly settleMs: number;
};

/** Every job's number and id is kept until the end. */
export const JOBS_MAX = 2_000_000;
/** A farm takes 1,000 calls at once on a connection (`limits.grpc.streamsMax`); what is left is for calls beside the polls. */
export const BOTS_A_CONNECTION_MAX = 900;
/** Without --connections: few enough bots on each that none of them waits for the others' bytes. */
const BOTS_A_CONNECTION = 250;

/** @throws Failure for numbers that cannot go together. */
export const planOf = (options: LoadOptions, run: string): Plan => {
  const { bots, shape, rate, duration, period, instance, station, tests, results } = options;
  const servers = options.server.split(',');
  const timing: Timing = { ratePerSecond: rate, durationMs: duration, periodMs: period };
  const jobs = jobsOf(shape, timing);
  const connections = options.connections ?? Math.max(servers.length, Math.ceil(bots / BOTS_A_CONNECTION));
  if (jobs > JOBS_MAX) {
    const words = `--rate ${String(rate)} for ${String(duration / 1000)} s are ${String(jobs)} jobs; one run keeps account of ${String(JOBS_MAX)} at most`;
    throw new Failure(EXIT.usage, words, 'Lower --rate or --duration, or let several runs share the work.');
  }
  if (jobs < 1) throw new Failure(EXIT.usage, 'no job is due within --duration', 'Raise --rate or --duration.');
  if (connections < servers.length) {
    const words = `--connections ${String(connections)} does not reach all ${String(servers.length)} addresses of --server`;
    throw new Failure(EXIT.usage, words, 'Give at least one connection for each address.');
  }
  if (Math.ceil(bots / connections) > BOTS_A_CONNECTION_MAX) {
    const words = `${String(bots)} bots on ${String(connections)} connections are too many: each holds a poll, and a connection carries ${String(BOTS_A_CONNECTION_MAX)}`;
    const enough = Math.ceil(bots / BOTS_A_CONNECTION_MAX);
    throw new Failure(EXIT.usage, words, `Give --connections ${String(enough)} or more, or leave it out.`);
  }
  if ((shape === 'burst' || shape === 'wave') && period > duration) {
    const words = `--period ${String(period / 1000)} s is longer than --duration ${String(duration / 1000)} s: not one ${shape} would be whole`;
    throw new Failure(EXIT.usage, words, 'Lower --period or raise --duration.');
  }
  return {
    ...{ run, instance, servers, connections, bots, shape, timing, jobs, station, tests, results },
    duts: options.duts === true,
    runMs: options.runMs,
    // What was taken at the last moment ends a whole station later.
    settleMs: options.settle + options.runMs,
  };
};

/** Jobs a second that the bots can end if the farm takes no time at all; Infinity where stations take none. */
export const capacityOf = ({ bots, runMs }: Pick<Plan, 'bots' | 'runMs'>): number => (bots * 1000) / runMs;

/** What a reader of the figures should know of the plan, before they make something of them. */
export const warningsOf = (plan: Plan): readonly string[] => {
  const { ratePerSecond } = plan.timing;
  const capacity = capacityOf(plan);
  if (ratePerSecond <= capacity) return [];
  const [asked, most] = [String(ratePerSecond), capacity.toFixed(1)];
  return [
    `${String(plan.bots)} bots that run ${String(plan.runMs)} ms end at most ${most} jobs a second; at ${asked} a second jobs ` +
      'wait for bots, and the figures tell of the queue rather than of the farm.',
  ];
};
