/**
 * Every metric, declared once: its name, type, labels, meaning, buckets. The instruments, the page
 * docs/reference/metrics.md and the test that holds the two against a live scrape all come from this table, so a new
 * metric is one entry here and the one line that changes it.
 *
 * No label ever names a bot, a serial, a job or a session: the number of series does not depend on how many there are.
 */

/**
 * What a value speaks of. `farm`: every replica says the same, of the whole farm; take the `max` over replicas.
 * `replica`: its own share; take the `sum`.
 */
export type Scope = 'farm' | 'replica';

/**
 * How the values of a host's workers become one (`serve --workers`). `sum`, `max`, `min`: over those that live; counters
 * and histograms keep what workers that are gone have counted. `newest`: all from the worker whose tick succeeded last, of
 * those that have them, so that the values fit each other. `primary`: only the primary knows.
 */
export type Fold = 'sum' | 'max' | 'min' | 'newest' | 'primary';

type Labels = readonly string[];

const counter = <const L extends Labels>(labels: L, help: string, fold: 'sum' | 'primary' = 'sum') =>
  ({ type: 'counter', scope: 'replica', fold, labels, help, buckets: null }) as const;

/** Of the whole farm. */
const farmGauge = <const L extends Labels>(labels: L, help: string, fold: 'newest' | 'max' = 'newest') =>
  ({ type: 'gauge', scope: 'farm', fold, labels, help, buckets: null }) as const;

/** Of one replica. */
const gauge = <const L extends Labels>(fold: Fold, labels: L, help: string) =>
  ({ type: 'gauge', scope: 'replica', fold, labels, help, buckets: null }) as const;

const histogram = <const L extends Labels>(labels: L, buckets: readonly number[], help: string) =>
  ({ type: 'histogram', scope: 'replica', fold: 'sum', labels, help, buckets }) as const;

/** Whose observations can point to a trace. OpenMetrics alone shows that. */
export const withExemplars: ReadonlySet<string> = new Set([
  'stationgrid_queue_wait_seconds',
  'stationgrid_assignment_latency_seconds',
  'stationgrid_station_cycle_seconds',
  'stationgrid_shopfloor_call_seconds',
]);

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Upper bounds, in the metric's own unit. */
const buckets = {
  /** What a machine does at once. */
  quick: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  /** Calls, held polls among them. */
  call: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, MINUTE],
  /** From the moment a job is queued to its bot: soon, or after a shift. */
  wait: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 24 * HOUR],
  /** From a scan to a run-in of two days. */
  // prettier-ignore
  cycle: [1, 2, 5, 10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR,
    24 * HOUR, 48 * HOUR],
  rows: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
} as const;

const rpc = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

// prettier-ignore
export const metricTable = {
  // Bots and their sessions.
  stationgrid_bots_connected: farmGauge(['instance'], 'Live bot sessions.'),
  stationgrid_bots: farmGauge(['instance', 'status'], 'Live bot sessions by the status their bot reports.'),
  stationgrid_bots_quarantined: farmGauge(['instance'], 'Bots that are quarantined and get no work until somebody releases them.'),
  stationgrid_bots_by_property: gauge('sum', ['instance', 'status', 'property', 'value'], 'Sessions at home here by the value of each property in metrics.propertyLabels; a bot with two values counts in both.'),
  stationgrid_free_capacity: gauge('sum', ['instance', 'status'], 'Leases that the sessions at home here could hold beside those they have.'),
  stationgrid_free_capacity_by_property: gauge('sum', ['instance', 'status', 'property', 'value'], 'The same by property, as in stationgrid_bots_by_property.'),
  stationgrid_polls_parked: gauge('sum', ['instance'], 'Polls held open until there is work for their bot.'),
  stationgrid_poll_hold_seconds: histogram(['instance', 'cause'], buckets.call, 'How long polls were held, by what ended the hold.'),
  stationgrid_sessions_created_total: counter(['instance', 'reason'], 'Sessions created, new or replacing an older one of the same bot.'),
  stationgrid_sessions_closed_total: counter(['instance', 'reason'], 'Sessions closed.'),
  stationgrid_bot_events_total: counter(['instance', 'type'], 'Events that bots posted.'),
  stationgrid_quarantines_total: counter(['instance'], 'Bots put into quarantine.'),

  // Jobs.
  stationgrid_jobs: farmGauge(['instance', 'station', 'state'], 'Jobs by state, ended ones included while they are kept.'),
  stationgrid_oldest_queued_age_seconds: farmGauge(['instance'], 'How long the oldest runnable job has been queued; 0 when there is none.'),
  stationgrid_idle_match_seconds: gauge('max', ['instance'], 'How long the next job of some queue and a bot at home here that could take it have both waited, where that is the longest; 0 when none waits so.'),
  stationgrid_unserved_seconds: farmGauge(['instance', 'station'], 'How long the next job of some queue has waited while no live bot could take it, busy or not; 0 for stations of the configuration that are served.'),
  stationgrid_jobs_enqueued_total: counter(['instance'], 'Jobs enqueued.'),
  stationgrid_jobs_ended_total: counter(['instance', 'station', 'state', 'verdict'], 'Jobs that ended; the verdict is empty for those without one.'),
  stationgrid_jobs_failed_total: counter(['instance', 'cause'], 'Jobs that FAILED, which is to end without a verdict.'),
  stationgrid_job_retries_total: counter(['instance', 'cause'], 'Jobs that went back to the queue, by how their lease had ended.'),
  stationgrid_queue_wait_seconds: histogram(['instance', 'station'], buckets.wait, 'From the queue to a lease.'),
  stationgrid_match_wait_seconds: histogram(['instance', 'station'], buckets.wait, 'How long a job and the bot that got it had both waited when it was granted: the part of the wait that is the farm\'s own.'),
  stationgrid_station_cycle_seconds: histogram(['instance', 'station'], buckets.cycle, 'From the last start to the end of a FINISHED job: the cycle time of a station.'),
  stationgrid_station_takt_seconds: farmGauge(['instance', 'station'], 'The cycle time that the configuration aims at.'),
  stationgrid_first_pass_total: counter(['instance', 'station'], 'Jobs that PASSED at their first attempt. Over the FINISHED of stationgrid_jobs_ended_total it is the first-pass yield.'),

  // Leases.
  stationgrid_leases: gauge('sum', ['instance', 'state'], 'Open leases of the sessions at home here.'),
  stationgrid_leases_granted_total: counter(['instance', 'station'], 'Leases granted.'),
  stationgrid_leases_closed_total: counter(['instance', 'state', 'cause'], 'Leases closed, by the state they ended in and what ended them.'),
  stationgrid_assignment_latency_seconds: histogram(['instance', 'station'], buckets.wait, 'From the grant of a lease to its start by the bot.'),
  stationgrid_expiries_total: counter(['instance', 'cause'], 'What ran out of time: sessions, leases, gates, jobs.'),
  stationgrid_fenced_writes_total: counter(['what'], 'Writes for something no longer open, or through a session no longer attached. They changed nothing.'),

  // The shopfloor.
  stationgrid_lanes: farmGauge(['instance', 'state'], 'Lanes that owe calls: due, or blocked by a dead letter.'),
  stationgrid_owed_calls: farmGauge(['instance'], 'Shopfloor calls that are not settled, dead letters included.'),
  stationgrid_oldest_owed_call_age_seconds: farmGauge(['instance'], 'Age of the oldest shopfloor call that is not settled; 0 when none is owed.'),
  stationgrid_shopfloor_calls_total: counter(['instance', 'method', 'outcome'], 'Sends of shopfloor calls by how they ended; refused: nothing was sent; ambiguous: no readable answer came.'),
  stationgrid_shopfloor_call_seconds: histogram(['instance', 'method'], buckets.call, 'How long sends of shopfloor calls took.'),
  stationgrid_shopfloor_calls_settled_total: counter(['instance', 'state'], 'Calls that were delivered, became a dead letter, or were skipped by an operator.'),
  stationgrid_delivery_seconds: histogram(['instance'], buckets.wait, 'For how long calls that were delivered had been owed while the shopfloor was up, which is while its breaker was closed.'),
  stationgrid_bridge_paused: farmGauge(['instance'], '1 while the shopfloor is told nothing because the database was restored and nobody has resumed the bridge.'),
  stationgrid_shopfloor_breaker: gauge('sum', ['instance', 'state'], '1 for the state that the breaker of the shopfloor is in, 0 for the others. Over workers: how many of them see it so.'),

  // The doors.
  stationgrid_connections: gauge('sum', ['door'], 'Open connections.'),
  stationgrid_connections_refused_total: counter(['door', 'reason'], 'Connections that were closed before they could ask anything: a limit was reached, TLS did not come about, a certificate did not verify.'),
  stationgrid_tls_certificate_expires_timestamp_seconds: gauge('min', [], 'When the certificate of the doors ends, in seconds since 1970; 0 without TLS.'),
  stationgrid_tls_reload_failures_total: counter([], 'Times that changed files of `tls` could not be used, so that the certificate before them stayed.'),

  // The factory door.
  stationgrid_factory_calls_total: counter(['method', 'outcome'], 'Calls of DUTs, by what they were answered: an answer, a fault, `later` for what may pass by itself, or `repeat`, which had no effect of its own.'),
  stationgrid_factory_call_seconds: histogram(['method'], buckets.call, 'How long such calls took, from the headers to the answer.'),
  stationgrid_uploads_room_bytes: gauge('min', ['instance'], 'Bytes that uploads may still take before they are answered 503: what the disk has free less limits.uploads.freeBytesMin, or what the folder may still hold.'),
  stationgrid_uploads_capacity_bytes: gauge('min', ['instance'], 'What stationgrid_uploads_room_bytes would be if nothing were there: the size of the disk less limits.uploads.freeBytesMin, or limits.uploads.folderBytesMax.'),
  stationgrid_uploads_total: counter(['kind', 'fate'], 'Uploads of DUTs: kept, or repeated, which is to say there already.'),
  stationgrid_upload_bytes_total: counter(['kind'], 'Bytes of the uploads that were kept.'),
  stationgrid_testlog_events_total: counter(['fate'], 'Events of Testlog: kept, repeated, which is to say there already, quarantined for people to look at, or dropped as below the level that is kept.'),

  // The replica and its database.
  stationgrid_replicas: farmGauge([], 'Replicas that were seen lately.'),
  stationgrid_amnesty: farmGauge([], '1 while nobody is declared lost because the farm itself was away.'),
  stationgrid_leader: gauge('sum', [], '1 while this replica leads the farm: it alone does what is done once a farm.'),
  stationgrid_leader_takeovers_total: counter([], 'Times that this replica began to lead.'),
  stationgrid_duty_failures_total: counter(['what'], 'Duties of the leader that failed; each is done again in its time.'),
  stationgrid_events_held_age_seconds: farmGauge([], 'Age of the oldest event that watchers are not told yet, since an older transaction is open; 0 when there is none. The leader knows; all others say 0.', 'max'),
  stationgrid_history_left: farmGauge([], 'Days of history that the leader could not make or drop in its last round, each of one table; all others say 0.', 'max'),
  stationgrid_audit_broken: farmGauge([], 'Findings of the leader in the audit, in this round or the one before: what nobody can have written, or what is missing; all others say 0.', 'max'),
  stationgrid_schema_migrations: gauge('max', ['state'], 'Migrations by which the schema differs from what this build knows: pending, not applied; future, of a newer build; changed, applied with another text.'),
  stationgrid_database_durable: farmGauge([], '1 while an answered commit is on the disk of the database: fsync is on and synchronous_commit is not off.'),
  stationgrid_last_tick_timestamp_seconds: gauge('min', [], 'When the tick last succeeded and set the gauges, in seconds since 1970.'),
  stationgrid_missed_wakes_total: counter([], 'Times that the connection for wakes was lost, so that wakes may have been.'),
  stationgrid_flush_rows: histogram([], buckets.rows, 'Writes that shared a commit.'),
  stationgrid_flush_seconds: histogram([], buckets.quick, 'How long such commits took.'),
  stationgrid_database_connections: gauge('sum', ['state'], 'Connections of the pool to PostgreSQL.'),
  stationgrid_database_connections_max: gauge('sum', [], 'Connections that the pool may have: limits.postgres.poolMax.'),
  stationgrid_database_waiting: gauge('sum', [], 'Callers that wait for a connection of the pool.'),
  stationgrid_event_loop_lag_seconds: gauge('max', ['statistic'], 'How late the event loop was since the last scrape: median, 99th percentile, maximum.'),
  stationgrid_workers: gauge('primary', ['state'], 'Processes of this host that serve as replicas: wanted, and serving. 1 and 1 without `workers`.'),
  stationgrid_worker_deaths_total: counter([], 'Workers of this host that ended without having been told to, or did not serve in time.', 'primary'),
  stationgrid_process_cpu_seconds_total: counter([], 'CPU time of the process, user and system.'),
  stationgrid_process_resident_memory_bytes: gauge('sum', [], 'Resident memory of the process.'),
  stationgrid_process_heap_bytes: gauge('sum', ['state'], 'The JavaScript heap: used, and reserved.'),
  stationgrid_process_start_time_seconds: gauge('min', [], 'When the process started, in seconds since 1970.'),
  stationgrid_build_info: gauge('max', ['version', 'node'], 'Always 1; the labels say what runs.'),

  // gRPC, under the names that dashboards know.
  grpc_server_started_total: counter(rpc, 'Calls begun.'),
  grpc_server_handled_total: counter([...rpc, 'grpc_code'], 'Calls ended, by status code.'),
  grpc_server_handling_seconds: histogram(rpc, buckets.call, 'How long calls took; those of UpdateBotSession are held on purpose.'),
  grpc_server_msg_received_total: counter(rpc, 'Messages received.'),
  grpc_server_msg_sent_total: counter(rpc, 'Messages sent.'),
} as const;

export type MetricTable = typeof metricTable;
export type MetricName = keyof MetricTable;

export type DeclaredMetric = {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly scope: Scope;
  readonly fold: Fold;
  readonly labels: Labels;
  readonly help: string;
  /** Null unless it is a histogram. */
  readonly buckets: readonly number[] | null;
};

/** The table as a list, in its order. */
export const declaredMetrics: readonly (DeclaredMetric & { readonly name: string })[] = Object.entries(metricTable).map(
  ([name, declared]) => ({ name, ...declared }),
);
