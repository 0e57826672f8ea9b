/** What the demo found: the table for people, the object for programs, and whether all went as it must. */
import { CallState, type Call } from '../../gen/stationgrid/v1/shopfloor.ts';
import { JobState, type Job, Verdict } from '../../gen/stationgrid/v1/jobs.ts';
import type { JournalCheck } from '../../reference-shopfloor/check-journal.ts';
import type { JournalLine } from '../../reference-shopfloor/journal.ts';
import { MLB_SERIAL, stations } from './line.ts';

export type StationSummary = {
  readonly unit: string;
  readonly station: string;
  readonly state: string;
  readonly verdict: string;
  readonly attempts: number;
  readonly seconds: number | null;
};

export type Summary = {
  readonly bots: number;
  readonly units: number;
  readonly finished: number;
  readonly passed: number;
  readonly failed: number;
  readonly jobs: readonly StationSummary[];
  readonly calls: {
    readonly owed: number;
    readonly delivered: number;
    readonly resent: number;
    readonly outOfOrder: number;
  };
  readonly lost: number;
  readonly doctor: readonly unknown[];
  readonly seconds: number;
  /** Everything that is not as it must be, in words; empty: all is well. */
  readonly wrong: readonly string[];
};

export type Found = {
  readonly bots: number;
  readonly units: number;
  readonly jobs: readonly Job[];
  readonly calls: readonly Call[];
  readonly journal: readonly JournalLine[];
  readonly check: JournalCheck;
  readonly doctor: readonly unknown[];
  readonly seconds: number;
  /** Processes that did not leave in good order. */
  readonly unclean: readonly string[];
};

export const summarise = (found: Found): Summary => {
  const jobs = found.jobs.map(stationSummary).sort(byUnitAndStation);
  const finished = found.jobs.filter((job) => job.state === JobState.FINISHED).length;
  const { lost, outOfOrder } = compare(found.calls, found.journal);
  const delivered = found.calls.filter((call) => call.state === CallState.DELIVERED).length;
  const resent = found.calls.reduce((sum, call) => sum + Math.max(0, call.sends - 1), 0);
  const expected = found.units * stations.length;
  const wrong = [
    ...(finished === expected ? [] : [`${String(expected - finished)} of ${String(expected)} jobs did not finish`]),
    ...(lost === 0 ? [] : [`${String(lost)} owed calls never reached the shopfloor`]),
    ...(delivered === found.calls.length ? [] : [`${String(found.calls.length - delivered)} calls are not delivered`]),
    ...(outOfOrder === 0 ? [] : [`${String(outOfOrder)} calls reached the shopfloor out of their lane's order`]),
    ...found.check.orderViolations.map(({ device, why }) => `the shopfloor saw ${device} out of order: ${why}`),
    ...found.check.openAttempts.map(({ device, station }) => `${device} was started at ${station} and never closed`),
    ...(found.doctor.length === 0 ? [] : [`the doctor found ${String(found.doctor.length)} violations`]),
    ...found.unclean,
  ];
  return {
    bots: found.bots,
    units: found.units,
    finished,
    passed: jobs.filter(({ verdict }) => verdict === 'PASSED').length,
    failed: jobs.filter(({ verdict }) => verdict === 'FAILED').length,
    jobs,
    calls: { owed: found.calls.length, delivered, resent, outOfOrder },
    lost,
    doctor: found.doctor,
    seconds: found.seconds,
    wrong,
  };
};

/** The farm's lanes against the partner's own journal: every key there, each once, in the lane's order. */
const compare = (calls: readonly Call[], journal: readonly JournalLine[]): { lost: number; outOfOrder: number } => {
  const place = new Map<string, number>();
  for (const line of journal) {
    if (line.key !== null && line.outcome === 'applied' && !place.has(line.key)) place.set(line.key, line.seq);
  }
  const lanes = new Map<bigint, Call[]>();
  for (const call of calls) lanes.set(call.deviceId, [...(lanes.get(call.deviceId) ?? []), call]);
  let lost = 0;
  let outOfOrder = 0;
  for (const lane of lanes.values()) {
    let last = 0;
    for (const call of lane.sort((a, b) => Number(a.position - b.position))) {
      const seq = place.get(call.id);
      if (seq === undefined) lost += 1;
      else if (seq < last) outOfOrder += 1;
      else last = seq;
    }
  }
  return { lost, outOfOrder };
};

const stationSummary = (job: Job): StationSummary => ({
  unit: job.serials[MLB_SERIAL] ?? '',
  station: job.station,
  state: Object.entries(JobState).find(([, value]) => value === job.state)?.[0] ?? String(job.state),
  verdict: job.verdict === Verdict.VERDICT_PASSED ? 'PASSED' : job.verdict === Verdict.VERDICT_FAILED ? 'FAILED' : '',
  attempts: job.attempts,
  seconds: secondsBetween(job),
});

const secondsBetween = ({ startTime, endTime }: Job): number | null => {
  if (startTime === undefined || endTime === undefined) return null;
  const seconds = Number(endTime.seconds - startTime.seconds) + (endTime.nanos - startTime.nanos) / 1e9;
  return Math.round(seconds * 100) / 100;
};

const order = new Map(stations.map(({ name }, index) => [name, index]));
const byUnitAndStation = (a: StationSummary, b: StationSummary): number =>
  a.unit.localeCompare(b.unit) || (order.get(a.station) ?? 0) - (order.get(b.station) ?? 0);

/** A row a unit, a column a station: `PASSED ×1 0.3s`. */
export const summaryRows = ({ jobs }: Summary): readonly (readonly string[])[] => {
  const units = [...new Set(jobs.map(({ unit }) => unit))];
  return units.map((unit) => [
    unit,
    ...stations.map(({ name }) => {
      const job = jobs.find((one) => one.unit === unit && one.station === name);
      if (job === undefined) return '-';
      const how = job.verdict === '' ? job.state : job.verdict;
      return `${how} ×${String(job.attempts)}${job.seconds === null ? '' : ` ${job.seconds.toFixed(1)} s`}`;
    }),
  ]);
};
