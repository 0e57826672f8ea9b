/** Gauges that the tick sets, from what it has read anyway: a scrape only prints them. */
import { statusName } from '../core/bot-session.ts';
import type { JobState } from '../core/job.ts';
import type { OpenLeaseState } from '../core/lease.ts';
import { bareKey } from '../core/match.ts';
import type { FarmGauges, Footing, Waits } from '../farm/read-gauges.ts';
import type { SessionTable } from '../farm/sessions.ts';
import { OTHER } from './bounded.ts';
import type { Instruments } from './instruments.ts';
import type { LabelBounds } from './label-bounds.ts';

/** What of the tick's answer is shown. */
export type TickFacts = {
  readonly replicas: number;
  readonly amnesty: boolean;
  readonly sessions: readonly { readonly instance: string; readonly status: number; readonly n: number }[];
  readonly quarantined: readonly { readonly instance: string }[];
};

export type BreakerState = 'closed' | 'open' | 'trying';

export type TickGauges = {
  /** After every tick that succeeded. */
  readonly answered: (facts: TickFacts, now: Date) => void;
  /** At most once a tick: it walks the sessions at home here. */
  readonly sessions: (table: SessionTable) => void;
  /** After every read of the farm's gauges (farm/read-gauges.ts). */
  readonly farm: (gauges: FarmGauges) => void;
  /** Work and bots that wait for each other, or for nobody. */
  readonly waits: (waits: Waits) => void;
  readonly footing: (footing: Footing) => void;
  /** Of each instance that has a shopfloor, whether its bridge waits for people after a restore. */
  readonly pauses: (pauses: readonly { readonly instance: string; readonly isPaused: boolean }[]) => void;
  /** The breaker of each instance's shopfloor. */
  readonly breakers: (breakers: readonly { readonly instance: string; readonly state: BreakerState }[]) => void;
};

const statuses = [0, 1, 2, 3, 4, 5, 6].map(statusName);
const statusLabel = (status: number): string => statuses[status] ?? OTHER;

const jobStateSet: Readonly<Record<JobState, true>> = {
  QUEUED: true,
  LEASED: true,
  CANCELLING: true,
  FINISHED: true,
  FAILED: true,
  CANCELLED: true,
};
const jobStates = Object.keys(jobStateSet);
const leaseStates: readonly OpenLeaseState[] = ['PENDING', 'ACTIVE', 'CANCELLING'];
const breakerStates: readonly BreakerState[] = ['closed', 'open', 'trying'];

/** What a session without the property is counted under, as BuildGrid does. */
const UNKNOWN = 'unknown';

/** @param propertyLabels the properties that are shown, with or without `label:`. */
export const createTickGauges = (
  m: Instruments,
  bounds: LabelBounds,
  propertyLabels: readonly string[],
): TickGauges => {
  const properties = [...new Set(propertyLabels.map(bareKey))];
  return {
    answered: (facts, now) => {
      setSessionCounts(m, bounds, facts);
      m.stationgrid_replicas.set(facts.replicas);
      m.stationgrid_amnesty.set(facts.amnesty ? 1 : 0);
      m.stationgrid_last_tick_timestamp_seconds.set(now.getTime() / 1000);
    },
    sessions: (table) => {
      surveySessions(m, bounds, { table, properties });
    },
    farm: (gauges) => {
      setFarm(m, bounds, gauges);
    },
    waits: (waits) => {
      setWaits(m, bounds, waits);
    },
    footing: ({ isDurable, schema }) => {
      m.stationgrid_database_durable.set(isDurable ? 1 : 0);
      for (const state of ['pending', 'future', 'changed'] as const) {
        m.stationgrid_schema_migrations.set({ state }, schema[state].length);
      }
    },
    pauses: (pauses) => {
      m.stationgrid_bridge_paused.reset();
      for (const { instance, isPaused } of pauses) {
        m.stationgrid_bridge_paused.set({ instance: bounds.instance(instance) }, isPaused ? 1 : 0);
      }
    },
    breakers: (breakers) => {
      m.stationgrid_shopfloor_breaker.reset();
      for (const { instance: name, state: current } of breakers) {
        const instance = bounds.instance(name);
        for (const state of breakerStates) {
          m.stationgrid_shopfloor_breaker.set({ instance, state }, state === current ? 1 : 0);
        }
      }
    },
  };
};

/*
 * Every gauge is emptied and filled again within one turn of the loop, so that a scrape sees all of it or none. Rows are
 * added rather than set: several may share the label `other`.
 */

const setSessionCounts = (m: Instruments, bounds: LabelBounds, facts: TickFacts): void => {
  m.stationgrid_bots_connected.reset();
  m.stationgrid_bots.reset();
  m.stationgrid_bots_quarantined.reset();
  for (const { instance: name, status, n } of facts.sessions) {
    const instance = bounds.instance(name);
    m.stationgrid_bots_connected.inc({ instance }, n);
    m.stationgrid_bots.inc({ instance, status: statusLabel(status) }, n);
  }
  for (const { instance } of facts.quarantined) {
    m.stationgrid_bots_quarantined.inc({ instance: bounds.instance(instance) });
  }
  for (const instance of bounds.instances()) {
    m.stationgrid_bots_connected.inc({ instance }, 0);
    m.stationgrid_bots_quarantined.inc({ instance }, 0);
    for (const status of statuses) m.stationgrid_bots.inc({ instance, status }, 0);
  }
};

const surveySessions = (
  m: Instruments,
  bounds: LabelBounds,
  home: { readonly table: SessionTable; readonly properties: readonly string[] },
): void => {
  m.stationgrid_free_capacity.reset();
  m.stationgrid_leases.reset();
  m.stationgrid_bots_by_property.reset();
  m.stationgrid_free_capacity_by_property.reset();
  for (const { instance: name, properties, sessions } of home.table.classes.values()) {
    const instance = bounds.instance(name);
    const labels = home.properties.flatMap((property) =>
      [...(properties.get(property) ?? [UNKNOWN])].map((value) => ({
        property,
        value: bounds.propertyValue(property, value),
      })),
    );
    for (const session of sessions) {
      const status = statusLabel(session.declared.status);
      const free = Math.max(0, session.declared.capacity - session.leases.size);
      m.stationgrid_free_capacity.inc({ instance, status }, free);
      for (const { state } of session.leases.values()) m.stationgrid_leases.inc({ instance, state });
      for (const label of labels) {
        m.stationgrid_bots_by_property.inc({ instance, status, ...label });
        m.stationgrid_free_capacity_by_property.inc({ instance, status, ...label }, free);
      }
    }
  }
  for (const instance of bounds.instances()) {
    for (const status of statuses) m.stationgrid_free_capacity.inc({ instance, status }, 0);
    for (const state of leaseStates) m.stationgrid_leases.inc({ instance, state }, 0);
  }
};

/** Of each series the longest; what nobody waits for is 0, so that an alert is seen to end. */
const setWaits = (m: Instruments, bounds: LabelBounds, { idleMatches, unserved }: Waits): void => {
  m.stationgrid_idle_match_seconds.reset();
  m.stationgrid_unserved_seconds.reset();
  const idle = new Map(bounds.instances().map((instance) => [instance, 0]));
  for (const { instance: name, seconds } of idleMatches) {
    const instance = bounds.instance(name);
    idle.set(instance, Math.max(idle.get(instance) ?? 0, seconds));
  }
  for (const [instance, seconds] of idle) m.stationgrid_idle_match_seconds.set({ instance }, seconds);
  for (const work of bounds.declared) m.stationgrid_unserved_seconds.set(work, 0);
  // The shortest first: of those that share a series the longest is set last.
  for (const { seconds, ...about } of unserved.toSorted((a, b) => a.seconds - b.seconds)) {
    m.stationgrid_unserved_seconds.set(bounds.work(about), seconds);
  }
};

const setFarm = (m: Instruments, bounds: LabelBounds, { jobs, instances }: FarmGauges): void => {
  m.stationgrid_jobs.reset();
  for (const { state, n, ...about } of jobs) {
    const work = bounds.work(about);
    m.stationgrid_jobs.inc({ ...work, state }, n);
    for (const other of jobStates) m.stationgrid_jobs.inc({ ...work, state: other }, 0);
  }
  const { stationgrid_oldest_queued_age_seconds: queued, stationgrid_oldest_owed_call_age_seconds: owed } = m;
  for (const gauge of [m.stationgrid_lanes, m.stationgrid_owed_calls, queued, owed]) gauge.reset();
  const oldest = { queued: new Map<string, number>(), owed: new Map<string, number>() };
  for (const row of instances) {
    const instance = bounds.instance(row.instance);
    m.stationgrid_lanes.inc({ instance, state: 'due' }, row.due);
    m.stationgrid_lanes.inc({ instance, state: 'blocked' }, row.blocked);
    m.stationgrid_owed_calls.inc({ instance }, row.owed);
    oldest.queued.set(instance, Math.max(oldest.queued.get(instance) ?? 0, row.oldestQueuedSeconds));
    oldest.owed.set(instance, Math.max(oldest.owed.get(instance) ?? 0, row.oldestOwedSeconds));
  }
  for (const [instance, age] of oldest.queued) queued.set({ instance }, age);
  for (const [instance, age] of oldest.owed) owed.set({ instance }, age);
};
