import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { declaredMetrics } from '../../src/metrics/declare.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';
import { metricsReference } from '../../src/metrics/reference.ts';
import { event, instance, keepBusy, quietMetrics, tableOf } from './busy-farm.ts';
import { parseOpenMetrics } from './parse-open-metrics.ts';

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';

let metrics: Metrics;
beforeEach(() => {
  metrics = quietMetrics();
});
afterEach(() => {
  metrics.close();
});

/** The lines of a scrape that are samples, those of the process itself left out. */
const scrape = async (): Promise<string[]> => {
  const page = await metrics.text(undefined);
  return page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
};
const linesOf = async (name: string): Promise<string[]> =>
  (await scrape()).filter((line) => line.startsWith(`${name}{`));

test('docs/reference/metrics.md is what the table says; if not, run: node scripts/write-metrics-reference.mjs', () => {
  const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
  expect(page).toBe(metricsReference());
});

test('what is documented is scraped, and what is scraped is documented', async () => {
  keepBusy(metrics);
  const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
  const documented = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| (?:counter|gauge|histogram)/gm)].map(([, name]) => name);
  const histograms = new Set(declaredMetrics.flatMap(({ name, type }) => (type === 'histogram' ? [name] : [])));
  const scraped = (await scrape()).map((line) => {
    const [name = ''] = line.split(/[{ ]/);
    const family = name.replace(/_(bucket|sum|count)$/, '');
    return histograms.has(family) ? family : name;
  });
  expect([...new Set(scraped)].sort()).toEqual([...documented].sort());
});

test('every name begins as it should, counters end in _total, and no label names a bot, a serial, a job or a session', () => {
  for (const { name, type, labels } of declaredMetrics) {
    expect(name).toMatch(/^(stationgrid|grpc_server)_[a-z0-9_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(labels.filter((label) => /bot|serial|job|session|lease|device|dut/.test(label))).toEqual([]);
  }
});

test('the labels of every series are the declared ones', async () => {
  keepBusy(metrics);
  const byName = new Map(declaredMetrics.map((metric) => [metric.name, metric]));
  for (const { name, type, samples } of parseOpenMetrics(await metrics.text(OPENMETRICS))) {
    const declared = byName.get(type === 'counter' ? `${name}_total` : name);
    for (const { labels } of samples) {
      expect([...labels.keys()].filter((label) => label !== 'le').sort()).toEqual([...(declared?.labels ?? [])].sort());
    }
  }
});

test('both formats hold the same series, in whatever order they are asked for', async () => {
  keepBusy(metrics);
  const first = await metrics.text(undefined);
  const openMetrics = await metrics.text(OPENMETRICS);
  const again = await metrics.text(undefined);
  const seriesOf = (page: string): string[] => page.split('\n').flatMap((line) => /^[^#].*(?= )/.exec(line) ?? []);
  expect(seriesOf(openMetrics)).toEqual(seriesOf(first));
  expect(seriesOf(again)).toEqual(seriesOf(first));
  expect(parseOpenMetrics(openMetrics).map(({ name, type }) => (type === 'counter' ? `${name}_total` : name))).toEqual(
    declaredMetrics.map(({ name }) => name),
  );
});

test('text that outsiders chose is escaped', async () => {
  const station = 'a"b\\c\nd,e="f"} 1';
  metrics.witness.granted({ instance: 'strange', station, queuedMs: 0, matchMs: 0 });
  const families = parseOpenMetrics(await metrics.text(OPENMETRICS));
  const granted = families.find(({ name }) => name === 'stationgrid_leases_granted');
  expect(granted?.samples.map(({ labels }) => labels.get('station'))).toContain(station);
});

test('5,000 bots make no more series than one', async () => {
  const properties = { model: ['octopus'] };
  const fill = (bots: number): void => {
    metrics.gauges.answered(
      { replicas: 1, amnesty: false, sessions: [{ instance, status: 1, n: bots }], quarantined: [] },
      new Date(0),
    );
    const each = (_: unknown, index: number) => ({
      status: 1,
      capacity: 1,
      properties: { ...properties, asset: [`rack-${index}`] },
    });
    metrics.gauges.sessions(tableOf(Array.from({ length: bots }, each)));
    for (let index = 0; index < bots; index += 1) {
      metrics.witness.committed([
        event('SESSION_CREATED', { replaced: false }),
        event('SESSION_CLOSED', { reason: `by ${index}` }),
      ]);
      metrics.witness.pollParked(instance);
    }
  };
  fill(1);
  const series = (await scrape()).length;
  fill(5_000);
  expect((await scrape()).length).toBe(series);
  expect(await linesOf('stationgrid_bots_by_property')).toEqual([
    'stationgrid_bots_by_property{instance="line-1",status="OK",property="model",value="octopus"} 5000',
  ]);
});

test('values that callers invent become "other" at the limit, and are still counted', async () => {
  const bots = Array.from({ length: 60 }, (_, index) => ({
    status: 1,
    capacity: 1,
    properties: { model: [`m${index}`] },
  }));
  metrics.gauges.sessions(tableOf(bots));
  const lines = await linesOf('stationgrid_bots_by_property');
  expect(lines).toHaveLength(51);
  expect(lines).toContain(
    'stationgrid_bots_by_property{instance="line-1",status="OK",property="model",value="other"} 10',
  );
  for (let index = 0; index < 1_000; index += 1) {
    metrics.witness.granted({ instance: `instance-${index}`, station: `station-${index}`, queuedMs: 0, matchMs: 0 });
  }
  expect(
    new Set((await linesOf('stationgrid_leases_granted_total')).map((line) => /instance="([^"]*)"/.exec(line)?.[1]))
      .size,
  ).toBe(101);
  expect((await linesOf('stationgrid_leases_granted_total')).length).toBeLessThanOrEqual(502);
});

test('live sessions are counted by instance and by status, unknown statuses together, absent ones as 0', async () => {
  const sessions = [
    { instance, status: 1, n: 4 },
    { instance, status: 6, n: 2 },
    { instance, status: 77, n: 1 },
    { instance, status: 78, n: 1 },
  ];
  metrics.gauges.answered({ replicas: 1, amnesty: true, sessions, quarantined: [] }, new Date(0));
  expect(await linesOf('stationgrid_bots_connected')).toEqual(['stationgrid_bots_connected{instance="line-1"} 8']);
  expect((await linesOf('stationgrid_bots')).sort()).toEqual([
    'stationgrid_bots{instance="line-1",status="BOT_TERMINATING"} 0',
    'stationgrid_bots{instance="line-1",status="HOST_REBOOTING"} 0',
    'stationgrid_bots{instance="line-1",status="INITIALIZING"} 0',
    'stationgrid_bots{instance="line-1",status="MAINTENANCE"} 2',
    'stationgrid_bots{instance="line-1",status="OK"} 4',
    'stationgrid_bots{instance="line-1",status="UNHEALTHY"} 0',
    'stationgrid_bots{instance="line-1",status="UNSPECIFIED"} 0',
    'stationgrid_bots{instance="line-1",status="other"} 2',
  ]);
});

test('a bot with two values counts in both, one without the property under "unknown"; capacity is what is free', async () => {
  const table = tableOf([
    { status: 1, capacity: 3, properties: { model: ['octopus', 'squid'] } },
    { status: 1, capacity: 1, properties: {} },
  ]);
  metrics.gauges.sessions(table);
  expect((await linesOf('stationgrid_free_capacity_by_property')).sort()).toEqual([
    'stationgrid_free_capacity_by_property{instance="line-1",status="OK",property="model",value="octopus"} 3',
    'stationgrid_free_capacity_by_property{instance="line-1",status="OK",property="model",value="squid"} 3',
    'stationgrid_free_capacity_by_property{instance="line-1",status="OK",property="model",value="unknown"} 1',
  ]);
  expect(await linesOf('stationgrid_free_capacity')).toContain(
    'stationgrid_free_capacity{instance="line-1",status="OK"} 4',
  );
});

test('polls are counted in place, from the park to whatever ends it', async () => {
  metrics.witness.pollParked(instance);
  metrics.witness.pollParked(instance);
  metrics.witness.pollEnded({ instance, cause: 'time', heldMs: 30_000 });
  expect(await linesOf('stationgrid_polls_parked')).toEqual(['stationgrid_polls_parked{instance="line-1"} 1']);
  expect(await linesOf('stationgrid_poll_hold_seconds_count')).toEqual([
    'stationgrid_poll_hold_seconds_count{instance="line-1",cause="time"} 1',
  ]);
});

test('a job that is tried again is counted by how its own lease ended', async () => {
  metrics.witness.committed([
    event('LEASE_LOST', { cause: 'LOST_AFTER_PASSED' }, 'lease-1'),
    event('JOB_REQUEUED', {}, 'lease-1'),
    event('LEASE_COMPLETED', { cause: 'COMPLETED_RETRYABLE' }, 'lease-2'),
    event('JOB_REQUEUED', {}, 'lease-2'),
  ]);
  expect(await linesOf('stationgrid_job_retries_total')).toEqual([
    'stationgrid_job_retries_total{instance="line-1",cause="LEASE_LOST"} 1',
    'stationgrid_job_retries_total{instance="line-1",cause="LEASE_COMPLETED"} 1',
  ]);
  expect(await linesOf('stationgrid_leases_closed_total')).toEqual([
    'stationgrid_leases_closed_total{instance="line-1",state="LOST",cause="LOST_AFTER_PASSED"} 1',
    'stationgrid_leases_closed_total{instance="line-1",state="COMPLETED",cause="COMPLETED_RETRYABLE"} 1',
  ]);
  const expiries = await linesOf('stationgrid_expiries_total');
  // Those of the configuration begin at 0: a counter that is born with its first value has not grown.
  expect(expiries).toContain('stationgrid_expiries_total{instance="line-1",cause="SESSION_LAPSED"} 0');
  expect(expiries.filter((line) => !line.endsWith(' 0'))).toEqual([
    'stationgrid_expiries_total{instance="line-1",cause="LOST_AFTER_PASSED"} 1',
  ]);
});

test('a first pass is a job that PASSED at its first attempt', async () => {
  const work = { instance, station: 'FAT', runMs: 1_000 };
  metrics.witness.ended({ ...work, state: 'FINISHED', verdict: 'PASSED', attempts: 1 });
  metrics.witness.ended({ ...work, state: 'FINISHED', verdict: 'PASSED', attempts: 2 });
  metrics.witness.ended({ ...work, state: 'FINISHED', verdict: 'FAILED', attempts: 1 });
  metrics.witness.ended({ ...work, state: 'CANCELLED', verdict: null, attempts: 0, runMs: null });
  expect(await linesOf('stationgrid_first_pass_total')).toEqual([
    'stationgrid_first_pass_total{instance="line-1",station="FAT"} 1',
  ]);
  expect(await linesOf('stationgrid_jobs_ended_total')).toEqual([
    'stationgrid_jobs_ended_total{instance="line-1",station="FAT",state="FINISHED",verdict="PASSED"} 2',
    'stationgrid_jobs_ended_total{instance="line-1",station="FAT",state="FINISHED",verdict="FAILED"} 1',
    'stationgrid_jobs_ended_total{instance="line-1",station="FAT",state="FAILED",verdict=""} 0',
    'stationgrid_jobs_ended_total{instance="line-1",station="FAT",state="CANCELLED",verdict=""} 1',
  ]);
  expect(await linesOf('stationgrid_station_cycle_seconds_count')).toEqual([
    'stationgrid_station_cycle_seconds_count{instance="line-1",station="FAT"} 3',
  ]);
});

test('gRPC calls have the names and codes of the community', async () => {
  keepBusy(metrics);
  expect(await linesOf('grpc_server_handled_total')).toEqual([
    'grpc_server_handled_total{grpc_type="unary",grpc_service="stationgrid.v1.Jobs",grpc_method="Enqueue",grpc_code="InvalidArgument"} 1',
  ]);
});

test('a gauge that the tick sets again forgets what is gone', async () => {
  keepBusy(metrics);
  metrics.gauges.farm({ jobs: [{ instance, station: 'FAT', state: 'LEASED', n: 1 }], instances: [] });
  expect(await linesOf('stationgrid_jobs')).toContain(
    'stationgrid_jobs{instance="line-1",station="FAT",state="QUEUED"} 0',
  );
  expect(await linesOf('stationgrid_owed_calls')).toEqual([]);
});

test('what a look finds that outlasts the lead is not told: it would stand until this replica leads again', async () => {
  const { lead } = metrics;
  const found = async (): Promise<readonly string[]> =>
    (await scrape()).filter((line) => /^stationgrid_(?:events_held_age|history_left|audit_broken)/.test(line));
  const look = (): void => {
    lead.eventsHeld(12_000);
    lead.historyLeft(1);
    lead.auditBroken(2);
  };
  const nothing = ['stationgrid_events_held_age_seconds 0', 'stationgrid_history_left 0', 'stationgrid_audit_broken 0'];
  const something = [
    'stationgrid_events_held_age_seconds 12',
    'stationgrid_history_left 1',
    'stationgrid_audit_broken 2',
  ];
  lead.leads(true);
  look();
  expect(await found()).toEqual(something);
  lead.leads(false);
  look();
  expect(await found()).toEqual(nothing);
  lead.leads(true);
  look();
  expect(await found()).toEqual(something);
});

test('a bucket points to the trace of what it counted, in OpenMetrics alone', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const grant = { instance: 'line-1', station: 'SMT', queuedMs: 30, matchMs: null };
  metrics.witness.granted({ ...grant, traceId });
  metrics.witness.granted({ ...grant, queuedMs: 300, traceId: null });
  const exemplars = (await metrics.text(OPENMETRICS)).split('\n').filter((line) => line.includes(' # {'));
  expect(exemplars).toHaveLength(1);
  expect(exemplars[0]).toMatch(
    /^stationgrid_queue_wait_seconds_bucket\{.*le="0\.05".*\} 1 # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 0\.03 \d+(\.\d+)?$/,
  );
  expect(await metrics.text(undefined)).not.toContain(' # {');
});
