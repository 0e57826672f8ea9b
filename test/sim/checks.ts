/**
 * What must hold, asked from outside: the clients' history and the partner's journal against what the farm says it did.
 * The farm's own view of itself is the doctor's (src/store/doctor.sql).
 */
import { runDoctor } from '../../src/store/doctor.ts';
import type { Queryable } from '../../src/store/transaction.ts';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { EPOCH_MS } from './life.ts';
import type { Met } from './partner.ts';
import { checkPause } from './check-pause.ts';
import { checkTokens } from './check-tokens.ts';
import type { Site } from './site.ts';
import type { World } from './world.ts';

/** The database's clock is told in steps, and a message takes its time. */
const SLACK_MS = 100;

export const checkDoctor = async (world: World): Promise<void> => {
  for (const { invariant, words, what } of await runDoctor(inspectorOf(world))) {
    world.violate(`doctor ${invariant}`, `${what}: ${words}`);
  }
};

/** @param forgives whether what happened then may be lost: acknowledged by a server that then failed over. */
export const checkHistory = async (site: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  await checkJobs(site, forgives);
  await checkLeases(site, forgives);
  await checkPartner(site, forgives);
  await checkLosses(site);
  await checkWatched(site, forgives);
  await checkTokens(site, forgives);
  checkPause(site);
};

type JobFacts = { id: number; requestId: string; state: string; verdict: string | null; attempts: number };

const STATE_NAMES: Readonly<Record<number, string>> = {
  [JobState.FINISHED]: 'FINISHED',
  [JobState.JOB_FAILED]: 'FAILED',
  [JobState.CANCELLED]: 'CANCELLED',
};

const checkJobs = async ({ world, line }: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  const rows = await world.database.ask<JobFacts>(
    'select id, request_id as "requestId", state, verdict, attempts from jobs order by id',
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const byRequest = new Map<string, number>();
  for (const { requestId } of rows) byRequest.set(requestId, (byRequest.get(requestId) ?? 0) + 1);
  for (const [requestId, n] of byRequest) {
    if (n > 1) world.violate('6: repeating an enqueue is harmless', `${requestId} became ${n} jobs`);
  }
  for (const [requestId, known] of line.jobs) {
    const job = byId.get(known.id);
    if (job === undefined || job.requestId !== requestId) {
      if (!forgives(known.acknowledgedMs)) world.violate('5: what is acknowledged is kept', `job ${requestId} is gone`);
      continue;
    }
    const { seenEnd, cancelAnswer } = known;
    if (seenEnd !== null && STATE_NAMES[seenEnd.state] !== job.state && !forgives(seenEnd.atMs)) {
      world.violate(
        '7: an end stands',
        `job ${requestId} was told to be ${STATE_NAMES[seenEnd.state]} and is ${job.state}`,
      );
    }
    if (cancelAnswer !== null && !isBeingCancelled(job) && !forgives(cancelAnswer.atMs)) {
      world.violate(
        '7: cancel against complete, the first commit wins',
        `the cancel of job ${requestId} was accepted, and it is ${job.state}`,
      );
    }
  }
};

/** A bot that cannot reach the farm stops its work when it can; that no job is left so in the end, settle.ts asks. */
const isBeingCancelled = ({ state }: JobFacts): boolean => state === 'CANCELLED' || state === 'CANCELLING';

type LeaseFacts = {
  id: string;
  jobId: number;
  state: string;
  attempt: number;
  attempts: number;
  verdict: string | null;
  tests: string[];
  closedMs: number | null;
  cancelAskedMs: number | null;
  completions: number;
  standing: Record<string, string>;
  stale: string[];
};

const readLeases = async (world: World): Promise<ReadonlyMap<string, LeaseFacts>> => {
  const rows = await world.database.ask<LeaseFacts>(
    `select l.id, l.job_id as "jobId", l.state, l.attempt, j.attempts, j.verdict,
            array(select t ->> 'testId' from jsonb_array_elements(j.work -> 'tests') t) as tests,
            extract(epoch from l.closed_at)::double precision * 1000 as "closedMs",
            extract(epoch from l.cancel_asked_at)::double precision * 1000 as "cancelAskedMs",
            (select count(*) from farm_events e where e.lease_id = l.id and e.kind = 'LEASE_COMPLETED') as completions,
            coalesce((select jsonb_object_agg(r.test_id, r.status) from test_results r
                      where r.lease_id = l.id and not r.stale), '{}') as standing,
            array(select r.test_id from test_results r where r.lease_id = l.id and r.stale order by r.id) as stale
     from leases l join jobs j on j.id = l.job_id order by l.id`,
  );
  return new Map(rows.map((row) => [row.id, row]));
};

const STATUS_NAMES: Readonly<Record<number, string>> = {
  [TestStatus.PASSED]: 'PASSED',
  [TestStatus.FAILED]: 'FAILED',
  [TestStatus.SKIPPED]: 'SKIPPED',
  [TestStatus.FAILED_AND_WAIVED]: 'FAILED_AND_WAIVED',
};
/** As the simulated lines have it; see scenario.ts. */
const isGood = (testId: string, status: string): boolean =>
  status === 'PASSED' || status === 'SKIPPED' || (status === 'FAILED_AND_WAIVED' && testId === 'T2');

const checkLeases = async ({ world, history }: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  const facts = await readLeases(world);
  for (const seen of history.leases.values()) {
    const lease = facts.get(seen.id);
    const name = `lease ${seen.id} of ${seen.botId}`;
    if (lease === undefined) {
      if (!forgives(seen.firstSeenMs)) world.violate('5: what is acknowledged is kept', `${name} is gone`);
      continue;
    }
    if (lease.completions > 1)
      world.violate('5: a completion is applied once', `${name} was completed ${lease.completions} times`);
    if (seen.cancelToldMs !== null && !forgives(seen.cancelToldMs)) checkTold(world, name, seen.cancelToldMs, lease);
    if (seen.acknowledgedMs === null || forgives(seen.acknowledgedMs)) continue;
    // Not lost some time later either: it was closed when it was acknowledged.
    if (lease.closedMs === null || lease.closedMs - EPOCH_MS > seen.acknowledgedMs + SLACK_MS) {
      world.violate(
        '5: an acknowledged completion is applied',
        `${name} was acknowledged as completed at ${Math.round(seen.acknowledgedMs)} ms, and is ${lease.state}`,
      );
    }
    if (lease.state !== 'COMPLETED' || seen.completion?.code !== 0) continue;
    if ([...seen.results.values()].some(({ atMs }) => forgives(atMs))) continue;
    for (const [testId, { status }] of seen.results) {
      const standing = lease.standing[testId];
      if (standing !== STATUS_NAMES[status]) {
        world.violate(
          '6: the first result stands',
          `${name} said ${testId} ${STATUS_NAMES[status]}, and ${standing ?? 'nothing'} stands`,
        );
      }
    }
    if (lease.verdict === null || lease.attempt !== lease.attempts) continue;
    const passes = lease.tests.every((testId) =>
      isGood(testId, STATUS_NAMES[seen.results.get(testId)?.status ?? -1] ?? 'no result'),
    );
    if (passes !== (lease.verdict === 'PASSED')) {
      const said = [...seen.results].map(([testId, { status }]) => `${testId} ${STATUS_NAMES[status]}`).join(', ');
      world.violate(
        '10: the verdict is that of the results',
        `job ${lease.jobId} is ${lease.verdict}; ${name} said ${said || 'nothing'} of ${lease.tests.join(', ')}`,
      );
    }
  }
};

/** A bot stops its work when it is told CANCELLED: nobody may be told so of a lease that goes on. */
const checkTold = (
  world: World,
  name: string,
  toldMs: number,
  { closedMs, cancelAskedMs, state }: LeaseFacts,
): void => {
  const overMs = Math.min(closedMs ?? Infinity, cancelAskedMs ?? Infinity) - EPOCH_MS;
  if (overMs > toldMs + SLACK_MS) {
    world.violate(
      '3: only what has ended is told CANCELLED',
      `${name} was told CANCELLED at ${Math.round(toldMs)} ms, and was ${state === 'ACTIVE' ? 'never ended' : `over at ${Math.round(overMs)} ms`}`,
    );
  }
};

type CallFacts = {
  id: string;
  board: string | null;
  position: number;
  state: string;
  method: string;
  ambiguous: number;
  sends: number;
  faults: number;
  owedMs: number;
  jobId: number | null;
  leaseId: string | null;
};

const checkPartner = async ({ world, partner }: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  const rows = await world.database.ask<CallFacts>(
    `select c.id, c.position, c.state, c.method, c.sends, c.faults, c.job_id as "jobId", c.lease_id as "leaseId",
            (select value from device_serials s where s.device_id = c.device_id and s.name = 'serials.mlb_serial_number'
             order by s.added limit 1) as board,
            -- One that is under way may turn out to be.
            (select count(*) from call_sends s
             where s.call_id = c.id and coalesce(s.outcome, 'ambiguous') = 'ambiguous') as ambiguous,
            extract(epoch from c.owed_at)::double precision * 1000 as "owedMs"
     from shopfloor_calls c order by c.device_id, c.position`,
  );
  const calls = new Map(rows.map((row) => [row.id, row]));
  const met = Map.groupBy(partner.journal, ({ key }) => key);
  for (const [key, times] of met) checkMet(world, key, times, calls.get(key), forgives);
  for (const call of rows) {
    if (call.state === 'DELIVERED' && !(met.get(call.id)?.some(({ isApplied }) => isApplied) ?? false)) {
      world.violate(
        '12: no shopfloor call is lost',
        `${call.method} at ${call.position} of ${call.board ?? '?'} is DELIVERED, and the partner never had it`,
      );
    }
    const faults = met.get(call.id)?.filter(({ faultCode }) => faultCode !== null).length ?? 0;
    if (call.faults > faults) {
      world.violate(
        '14: outages cost no attempts',
        `${call.method} at ${call.position} of ${call.board ?? '?'} counts ${call.faults} faults, and the partner answered ${faults}`,
      );
    }
  }
  checkOrder(world, partner.journal, calls);
};

const checkMet = (
  world: World,
  key: string,
  times: readonly Met[],
  call: CallFacts | undefined,
  forgives: (atMs: number) => boolean,
): void => {
  const [first] = times;
  if (first === undefined) return;
  const name = `${first.method} of ${first.board} (${key})`;
  if (call === undefined) {
    if (!forgives(first.atMs))
      world.violate('12: a call keeps its key', `the partner met ${name}, which is no call of the farm`);
    return;
  }
  if (new Set(times.map(({ bodyHash }) => bodyHash)).size > 1)
    world.violate('12: a call keeps its body', `${name} came with two bodies`);
  const applied = times.filter(({ isApplied }) => isApplied).length;
  if (applied > 1 + call.ambiguous && !times.some(({ atMs }) => forgives(atMs))) {
    world.violate(
      '12: repeats only where it was ambiguous',
      `${name} was applied ${applied} times, and ${call.ambiguous} sends were ambiguous`,
    );
  }
};

/** In each lane, calls were first met in the order of their positions. */
const checkOrder = (world: World, journal: readonly Met[], calls: ReadonlyMap<string, CallFacts>): void => {
  const heads = new Map<string, CallFacts>();
  const seen = new Set<string>();
  for (const { key } of journal) {
    const call = calls.get(key);
    if (call === undefined || seen.has(key)) continue;
    seen.add(key);
    const lane = call.board ?? '';
    const last = heads.get(lane);
    if (last !== undefined && last.position > call.position) {
      world.violate(
        '11: the partner sees a lane in its order',
        `${call.method} at ${call.position} of ${lane} came after ${last.method} at ${last.position}`,
      );
    }
    heads.set(lane, call);
  }
};

/** After an outage of the whole farm nobody is lost for one time to live (invariant 9). */
const checkLosses = async ({ world, outages, ttlMs }: Site): Promise<void> => {
  if (outages.length === 0) return;
  const lost = await world.database.ask<{ botId: string; kind: string; atMs: number }>(
    `select bot_id as "botId", kind, extract(epoch from at)::double precision * 1000 as "atMs" from farm_events
     where kind = 'SESSION_LAPSED' order by xact, id`,
  );
  for (const { botId, kind, atMs } of lost) {
    const at = atMs - EPOCH_MS;
    const outage = outages.find(({ endMs }) => at >= endMs && at < endMs + ttlMs - SLACK_MS);
    if (outage !== undefined) {
      world.violate(
        '9: nobody is lost for our own outage',
        `${kind} of ${botId} at ${Math.round(at)} ms; the farm was away from ${Math.round(outage.startMs)} to ${Math.round(outage.endMs)} ms`,
      );
    }
  }
};

/** What a watcher was told is the job's story up to its end, from where the watch began, without a gap. */
const checkWatched = async ({ world, watcher }: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  const rows = await world.database.ask<{ jobId: number; kinds: string[] }>(
    `select job_id as "jobId", array_agg(kind order by xact, id) as kinds from farm_events
     where job_id is not null group by job_id order by job_id`,
  );
  const stories = new Map(rows.map(({ jobId, kinds }) => [jobId, kinds]));
  for (const { job, events, isOver } of watcher.watched) {
    // Who was told of what was lost then goes on from there, and not from where the others are.
    if (!isOver || forgives(job.acknowledgedMs) || events.some(({ atMs }) => forgives(atMs))) continue;
    const kinds = events.map(({ kind }) => kind);
    const [told, story] = [untilEnd(kinds), untilEnd(stories.get(job.id) ?? [])];
    if (told.join() === story.slice(story.length - told.length).join()) continue;
    world.violate(
      'events: a watcher misses none',
      `of job ${job.drawn.requestId} it was told ${told.join(', ')}; there were ${story.join(', ')}`,
    );
  }
};

/** Calls go on after the job's end, and late words come; the watch is over by then. */
const untilEnd = (kinds: readonly string[]): readonly string[] => {
  const end = kinds.findIndex((kind) => /^JOB_(FINISHED|FAILED|CANCELLED)$/.test(kind));
  return kinds.slice(0, end === -1 ? kinds.length : end + 1).filter((kind) => !kind.startsWith('CALL'));
};

/** The database as nobody of the farm sees it: without faults, and in no time. */
export const inspectorOf = ({ database }: World): Queryable =>
  toQueryable({ query: async (text, values) => ({ rows: await database.ask(text, values) }) });

function toQueryable(db: {
  query: (text: string, values?: readonly unknown[]) => Promise<{ rows: unknown[] }>;
}): Queryable {
  return db as unknown as Queryable;
}
