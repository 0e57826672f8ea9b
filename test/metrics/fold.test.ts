import { expect, test } from 'vitest';
import { declaredMetrics, type MetricName } from '../../src/metrics/declare.ts';
import type { Page, Sample } from '../../src/metrics/exposition.ts';
import { createFolded } from '../../src/metrics/fold.ts';
import { createHostMetrics } from '../../src/metrics/host-metrics.ts';
import { event, instance, keepBusy, quietMetrics } from './busy-farm.ts';
import { parseOpenMetrics } from './parse-open-metrics.ts';

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';

const of = (name: MetricName, value: number, labels: Sample['labels'] = {}): Page => ({
  [name]: [{ name, labels, value }],
});
const valuesOf = (page: Page, name: MetricName): readonly number[] => (page[name] ?? []).map(({ value }) => value);

// prettier-ignore
const cases: readonly [name: MetricName, workers: readonly number[], folded: number][] = [
  ['stationgrid_missed_wakes_total',                        [3, 4],     7],
  ['stationgrid_polls_parked',                              [300, 200], 500],
  ['stationgrid_event_loop_lag_seconds',                    [0.2, 0.9], 0.9],
  ['stationgrid_tls_certificate_expires_timestamp_seconds', [80, 70],   70],
  ['stationgrid_last_tick_timestamp_seconds',               [100, 95],  95],
  ['stationgrid_build_info',                                [1, 1],     1],
];
test.for(cases)('%s of two workers, %j, is %j', ([name, workers, expected]) => {
  const folded = createFolded();
  for (const [index, value] of workers.entries()) folded.heard(index, of(name, value));
  expect(valuesOf(folded.page({}), name)).toEqual([expected]);
});

test('series of the same labels become one, whatever the order of their labels; others stay apart', () => {
  const folded = createFolded();
  const name = 'stationgrid_leases_granted_total';
  folded.heard(1, of(name, 2, { instance, station: 'FAT' }));
  folded.heard(2, of(name, 3, { station: 'FAT', instance }));
  folded.heard(3, of(name, 5, { instance, station: 'SMT' }));
  expect(valuesOf(folded.page({}), name)).toEqual([5, 5]);
});

test.for([
  [30, 20],
  [20, 30],
])('a bucket of the whole host points to the newest of its traces: %j', async (times) => {
  const host = createHostMetrics('0.1.0');
  const name = 'stationgrid_queue_wait_seconds';
  const told = (timestamp: number | null): Page => {
    const exemplar = { labelSet: { trace_id: `of-${timestamp}` }, value: 0.03, timestamp: timestamp ?? 0 };
    const bucket = { name: `${name}_bucket`, labels: { instance, station: 'SMT', le: 0.05 }, value: 1 };
    return { [name]: [timestamp === null ? bucket : { ...bucket, exemplar }] };
  };
  host.heard(1, told(10));
  host.gone(1);
  for (const [index, time] of [...times, null].entries()) host.heard(index + 2, told(time));
  const line = `${name}_bucket{instance="${instance}",station="SMT",le="0.05"} 4`;
  expect((await host.text(OPENMETRICS)).split('\n')).toContain(`${line} # {trace_id="of-30"} 0.03 30`);
  expect((await host.text(undefined)).split('\n')).toContain(line);
  host.close();
});

test('what is of the whole farm comes from the worker that has heard of it last', () => {
  const folded = createFolded();
  const told = (tickedAt: number, queued: number): Page => ({
    ...of('stationgrid_last_tick_timestamp_seconds', tickedAt),
    ...of('stationgrid_jobs', queued, { instance, station: 'FAT', state: 'QUEUED' }),
  });
  // It was cut off from the database a while ago, when there was more to do.
  folded.heard(1, told(1_000, 90));
  folded.heard(2, told(1_060, 4));
  expect(valuesOf(folded.page({}), 'stationgrid_jobs')).toEqual([4]);
});

test('a worker that has ticked but not yet read what is of the whole farm hides it from nobody', () => {
  const folded = createFolded();
  folded.heard(1, {
    ...of('stationgrid_last_tick_timestamp_seconds', 1_000),
    ...of('stationgrid_replicas', 3),
    ...of('stationgrid_owed_calls', 7, { instance }),
  });
  folded.heard(2, { ...of('stationgrid_last_tick_timestamp_seconds', 1_005), ...of('stationgrid_replicas', 4) });
  expect(valuesOf(folded.page({}), 'stationgrid_owed_calls')).toEqual([7]);
  // The values of one scrape fit each other.
  expect(valuesOf(folded.page({}), 'stationgrid_replicas')).toEqual([3]);
});

test('what a worker has counted outlives it, what it held does not', () => {
  const folded = createFolded();
  const told = (jobs: number, parked: number): Page => ({
    ...of('stationgrid_jobs_enqueued_total', jobs, { instance }),
    ...of('stationgrid_polls_parked', parked, { instance }),
  });
  folded.heard(1, told(10, 4));
  folded.heard(2, told(20, 6));
  folded.gone(1);
  // Its successor begins at 0.
  folded.heard(3, told(0, 1));
  folded.gone(2);
  folded.gone(2);
  const page = folded.page({});
  expect(valuesOf(page, 'stationgrid_jobs_enqueued_total')).toEqual([30]);
  expect(valuesOf(page, 'stationgrid_polls_parked')).toEqual([1]);
});

test('what only the primary knows is not asked of the workers', () => {
  const folded = createFolded();
  folded.heard(1, of('stationgrid_workers', 1, { state: 'wanted' }));
  const page = folded.page(of('stationgrid_workers', 3, { state: 'wanted' }));
  expect(valuesOf(page, 'stationgrid_workers')).toEqual([3]);
});

test("a host's page has every metric of its workers, in both formats, with histograms that add up", async () => {
  const host = createHostMetrics('0.1.0');
  const workers = [quietMetrics(), quietMetrics()];
  host.wanted(2);
  host.serving(2);
  for (const [index, metrics] of workers.entries()) {
    keepBusy(metrics);
    metrics.witness.committed([event('JOB_ENQUEUED', {})]);
    host.heard(index, await metrics.page());
    metrics.close();
  }
  const families = parseOpenMetrics(await host.text('application/openmetrics-text; version=1.0.0'));
  host.close();
  expect(families.map(({ name, type }) => (type === 'counter' ? `${name}_total` : name))).toEqual(
    declaredMetrics.map(({ name }) => name),
  );
  expect(families.filter(({ samples }) => samples.length === 0).map(({ name }) => name)).toEqual([]);
  const valueOf = (family: string, sample: string): number | undefined =>
    families.find(({ name }) => name === family)?.samples.find(({ name }) => name === sample)?.value;
  expect(valueOf('stationgrid_jobs_enqueued', 'stationgrid_jobs_enqueued_total')).toBe(4);
  expect(valueOf('stationgrid_flush_rows', 'stationgrid_flush_rows_count')).toBe(2);
  expect(valueOf('stationgrid_flush_rows', 'stationgrid_flush_rows_sum')).toBe(14);
});
