/** What is left of a run when it is over: the database, the partner's journal, the histories, the logs. */
import type pg from 'pg';
import { type Finding, runDoctor } from '../../src/store/doctor.ts';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';
import type { Silence } from './disturb.ts';
import type { Stamped } from './history.ts';
import type { Span } from './members.ts';
import type { Kind } from './plan.ts';

export interface RunOptions {
  readonly seconds: number;
  readonly bots: number;
  readonly replicas: number;
  readonly seed: number;
  /** How long the farm has for what was enqueued, once it is left alone. */
  readonly drainSeconds: number;
  readonly keep: boolean;
  readonly say: (words: string) => void;
  readonly show: (seconds: number, words: string) => void;
}

export interface JobRow {
  readonly id: string;
  readonly requestId: string;
  readonly state: string;
  readonly verdict: string | null;
}
export interface LeaseRow {
  readonly id: string;
  readonly jobId: string;
  readonly botId: string;
  readonly state: string;
  /** Milliseconds since 1970, by the database's clock. */
  readonly grantedMs: number;
  readonly closedMs: number | null;
}
export interface ResultRow {
  readonly leaseId: string;
  readonly testId: string;
  readonly token: string | null;
  readonly stale: boolean;
}
export interface CallRow {
  /** Its key. */
  readonly id: string;
  readonly deviceId: string;
  readonly position: number;
  readonly jobId: string | null;
  readonly method: string;
  readonly testId: string | null;
  readonly state: string;
  /** Its journal, in the order of its sends. */
  readonly sends: readonly SendRow[];
}
export interface SendRow {
  readonly number: number;
  readonly replica: string;
  readonly outcome: string | null;
  readonly words: string | null;
  readonly sentAt: string;
  readonly endedAt: string | null;
}
/** A bot, or what it ran, was declared lost because it was silent. */
export interface LossRow {
  readonly kind: string;
  readonly botId: string;
  readonly atMs: number;
}

export interface Records {
  readonly jobs: readonly JobRow[];
  readonly leases: readonly LeaseRow[];
  readonly results: readonly ResultRow[];
  readonly calls: readonly CallRow[];
  readonly losses: readonly LossRow[];
  /** For whoever looks into what was found. */
  readonly lanes: readonly object[];
  readonly findings: readonly Finding[];
}

/** A host as it was: its bots, their facts, and when it did not run. */
export interface HostRecord {
  readonly name: string;
  readonly bots: readonly string[];
  readonly spans: readonly Span[];
  readonly facts: readonly Stamped[];
}

/** How long the farm took, left alone, to do all that was enqueued; null: not done in the time it was given. */
export interface Drained {
  readonly ms: number | null;
  /** In words. */
  readonly left: string;
}

export interface Evidence {
  readonly records: Records;
  readonly journal: readonly JournalLine[];
  readonly hosts: readonly HostRecord[];
  readonly silences: readonly Silence[];
  /** Enqueued, and acknowledged: the number by the request id. */
  readonly acknowledged: ReadonlyMap<string, bigint>;
  /** Error lines and ends of processes that nobody asked for. */
  readonly faults: readonly string[];
  /** Writes that the farm kept from having an effect, by what was no longer open; by its own counters. */
  readonly fencedWrites: Readonly<Record<string, number>>;
  readonly drained: Drained;
  /** Of the machine, at the worst: processes that want each of its processors. */
  readonly loadPerCore: number;
}

/** A run that is over: what it left, and how often each kind of disturbance was. */
export interface RunResult {
  readonly evidence: Evidence;
  readonly disturbances: Readonly<Partial<Record<Kind, number>>>;
}

const MS = (column: string): string => `extract(epoch from ${column})::double precision * 1000`;

export const readRecords = async (db: pg.Client): Promise<Records> => {
  const rows = async <T extends pg.QueryResultRow>(sql: string): Promise<T[]> => (await db.query<T>(sql)).rows;
  return {
    jobs: await rows(`select id::text, request_id as "requestId", state, verdict from jobs order by jobs.id`),
    leases: await rows(
      `select id::text, job_id::text as "jobId", bot_id as "botId", state, ${MS('granted_at')} as "grantedMs",
              ${MS('closed_at')} as "closedMs" from leases order by granted_at, leases.id`,
    ),
    results: await rows(
      `select lease_id::text as "leaseId", test_id as "testId", stale,
              jsonb_path_query_first(result, '$.measurements[*] ? (@.name == "token").value') #>> '{}' as token
       from test_results order by test_results.id`,
    ),
    calls: await rows(
      `select c.id::text, c.device_id::text as "deviceId", c.position::integer, c.job_id::text as "jobId", c.method,
              c.test_id as "testId", c.state,
              (select coalesce(jsonb_agg(jsonb_build_object('number', s.number, 'replica', s.replica, 'outcome', s.outcome,
                 'words', s.words, 'sentAt', s.sent_at, 'endedAt', s.ended_at) order by s.number), '[]')
               from call_sends s where s.call_id = c.id) as sends
       from shopfloor_calls c order by c.device_id, c.position`,
    ),
    losses: await rows(
      `select kind, bot_id as "botId", ${MS('at')} as "atMs" from farm_events
       where kind = 'SESSION_LAPSED' or (kind = 'LEASE_LOST' and facts ->> 'cause' = 'LOST_AFTER_PASSED')
       order by at, id`,
    ),
    lanes: await rows(`select * from lanes order by device_id`),
    findings: await runDoctor(db),
  };
};
