/**
 * Bugs that a farm like this could have, each as the change of source that makes it. The original must be there exactly
 * once. Whoever changes a line that is named here plants the bug anew.
 */
import type { EmphasisName } from './emphases.ts';

export type PlantedBug = {
  readonly name: string;
  /** The emphasis under which nearly any seed meets it (emphases.ts). */
  readonly under: EmphasisName;
  /** What it breaks, and for whom. */
  readonly breaks: string;
  readonly changes: readonly { readonly file: string; readonly original: string; readonly planted: string }[];
};

const bug = (
  name: string,
  under: EmphasisName,
  breaks: string,
  ...changes: PlantedBug['changes'][number][]
): PlantedBug => ({
  name,
  under,
  breaks,
  changes,
});

export const plantedBugs: readonly PlantedBug[] = [
  bug(
    'no attach_epoch check',
    'wandering bots',
    'a former home goes on writing for a session that another replica has taken over',
    {
      file: 'src/store/bot-sessions.ts',
      original: `on s.name = r.name and s.attach_epoch = r."attachEpoch"
     where s.state <> 'CLOSED'
     order by s.name \${lock})`,
      planted: `on s.name = r.name
     where s.state <> 'CLOSED'
     order by s.name \${lock})`,
    },
    {
      file: 'src/store/bot-sessions.ts',
      original: `select s.name, s.attach_epoch from bot_sessions s
     join`,
      planted: `select s.name, r."attachEpoch" as attach_epoch from bot_sessions s
     join`,
    },
  ),
  bug(
    'a closed lease is accepted',
    'field bots',
    'a completion that comes after its lease was lost ends the job a second time',
    { file: 'src/core/lease.ts', original: '  COMPLETED_OK: moot,', planted: '  COMPLETED_OK: finish,' },
    {
      file: 'src/store/leases.ts',
      original: `from open_leases l
     where l.session_name = any($1::text[]) or`,
      planted: `from leases l
     where l.session_name = any($1::text[]) and exists (select from open_jobs j where j.id = l.job_id)
        or l.closed_at is null and`,
    },
    {
      file: 'src/store/jobs.ts',
      original: `select job_id from open_leases where session_name`,
      planted: `select job_id from leases where session_name`,
    },
  ),
  bug(
    'sequence order instead of the lane lock',
    'moody partner',
    'positions in a lane follow a sequence, whose order is not that of commits',
    {
      file: 'src/store/owed-calls.ts',
      original: `taken.first + r."offset"`,
      planted: `nextval('job_ids')`,
    },
  ),
  bug(
    'acknowledged before the commit',
    'failing statements',
    'a bot is told that its completion is kept, and it is not',
    {
      file: 'src/farm/update-bot-session.ts',
      original: `    const written = await home.write(session, change);
    if (written.kind === 'detached') return 'moved';`,
      planted: `    void home.write(session, change).catch(() => undefined);
    for (const { leaseId, completion } of change.steps ?? []) if (completion !== null) session.leases.delete(leaseId);`,
    },
  ),
  bug(
    'a lane is taken over without waiting',
    'moody partner',
    'two replicas send the calls of one unit at the same time',
    {
      file: 'src/store/lanes.ts',
      original: `
         and (l.owned_until is null or l.owned_until <= farm_now()))
     order by f.instance`,
      planted: `)
     order by f.instance`,
    },
    {
      file: 'src/store/lanes.ts',
      original: `
             and (l.owned_until is null or l.owned_until <= farm_now())
           order by l.due_at`,
      planted: `
           order by l.due_at`,
    },
  ),
  bug('the key changes on retry', 'moody partner', 'a partner that knows keys applies a repeated call twice', {
    file: 'src/bridge/pump.ts',
    original: 'idempotencyKey: call.id',
    planted: 'idempotencyKey: call.number === 1 ? call.id : this.#farm.newId()',
  }),
  bug(
    'a cancel overwrites a completion',
    'cancels',
    'a job that was finished, and seen so, becomes cancelled',
    {
      file: 'src/farm/cancel-job.ts',
      original: '  if (hasEnded(job.state)) {',
      planted: `  if (job.state === 'FINISHED') job.verdict = null;
  if (job.state !== 'FINISHED' && hasEnded(job.state)) {`,
    },
    {
      file: 'src/core/job.ts',
      original: `
  CANCEL_ASKED: 'moot',`,
      planted: `
  CANCEL_ASKED: 'CANCELLED',`,
    },
    {
      file: 'src/store/jobs.ts',
      original: `j.id = any($2::bigint[]) and j.state in ('QUEUED', 'LEASED', 'CANCELLING')`,
      planted: `j.id = any($2::bigint[]) and j.state in ('QUEUED', 'LEASED', 'CANCELLING', 'FINISHED')`,
    },
  ),
  bug(
    'expiry without amnesty',
    'outages',
    'bots are declared lost because the farm itself was away',
    {
      file: 'src/store/sweeps.ts',
      original: '`not exists (select from farm_marks where amnesty_until > farm_now())`',
      planted: '`true`',
    },
    { file: 'src/farm/tick.ts', original: 'if (due.sessions && !amnesty)', planted: 'if (due.sessions)' },
  ),
  bug(
    'a wake without a backstop',
    'lost notices',
    'work whose wake was lost lies there until something else happens',
    {
      file: 'src/farm/tick.ts',
      original: 'for (const id of answer.hotRequirements) heat',
      planted: 'for (const id of new Set<number>()) heat',
    },
    {
      file: 'src/farm/tick.ts',
      original: 'for (const id of answer.hotDevices) if',
      planted: 'for (const id of new Set<number>()) if',
    },
  ),
  bug('a retry resets the attempts', 'lost bots', 'a job that kills its bots is tried for ever', {
    file: 'src/farm/settle-lease.ts',
    original: '  job.queuedAt = ledger.now;\n  if (lease.gated) {',
    planted: '  job.queuedAt = ledger.now;\n  job.attempts = 0;\n  if (lease.gated) {',
  }),
  bug(
    'a second result overwrites the first',
    'field bots',
    'a bot changes its mind about a test, and the line believes the later word',
    {
      file: 'src/farm/keep-results.ts',
      original: '    const stale = isLate || known !== undefined;',
      planted: '    const stale = isLate;',
    },
    {
      file: 'src/store/test-results.ts',
      original: '    `insert into test_results (job_id,',
      planted: `    \`with changed as (
       update test_results t set status = r.status, result = r.result
       from jsonb_to_recordset($1::jsonb) as r("leaseId" uuid, "testId" text, status text, result jsonb, stale boolean)
       where t.lease_id = r."leaseId" and t.test_id = r."testId" and not t.stale and not r.stale)
     insert into test_results (job_id,`,
    },
    {
      file: 'src/store/test-results.ts',
      original: `     order by r.ordinal\``,
      planted: `     where r.stale or not exists (
       select from test_results t where t.lease_id = r."leaseId" and t.test_id = r."testId" and not t.stale)
     order by r.ordinal\``,
    },
  ),
  bug('an un-started lease counts as an attempt', 'field bots', 'jobs fail for attempts that never were', {
    file: 'src/farm/grant-leases.ts',
    original: '    job.botId = lease.botId;',
    planted: '    job.botId = lease.botId;\n    job.attempts = lease.attempt;',
  }),
  bug(
    'events are read past the commit horizon',
    'close watch',
    'a watcher misses what an older transaction commits later',
    {
      file: 'src/store/farm-events.ts',
      original: `
       and xact < pg_snapshot_xmin(pg_current_snapshot())
     order by farm_events.xact, id limit $4`,
      planted: `
     order by farm_events.xact, id limit $4`,
    },
  ),
  bug('PASSED without results', 'field bots', 'a bad unit ships: a test that nobody ran counts as passed', {
    file: 'src/core/verdict.ts',
    original: 'for (const testId of testIds) if (!results.has(testId))',
    planted: 'for (const testId of testIds) if (testId === null)',
  }),
  bug('an outage costs attempts', 'moody partner', 'a partner that is away makes dead letters', {
    file: 'src/core/send-outcome.ts',
    original: `(send.outcome === 'fault' ? 1 : 0)`,
    planted: `(send.outcome === 'answered' ? 0 : 1)`,
  }),
  bug('NotifyEnd before the results', 'moody partner', 'the partner moves the unit on before it knows how it did', {
    file: 'src/farm/settle-lease.ts',
    original: '        ledger.calls.push({ ...call,',
    planted: `        ledger.calls[call.method === 'NotifyEnd' ? 'unshift' : 'push']({ ...call,`,
  }),
  bug(
    'a DUT does not settle',
    'lost bots',
    'a unit is given to a second bot while the first may still run it',
    {
      file: 'src/store/devices.ts',
      original: 'case when d.settling_until > farm_now() then d.settling_reason end as "settlingReason"',
      planted: 'null::text as "settlingReason"',
    },
    {
      file: 'src/store/queue-heads.ts',
      original: '(d.held_reason is not null or d.settling_until > farm_now())',
      planted: 'd.held_reason is not null',
    },
  ),
  bug(
    'a lane is moved twice',
    'failing statements',
    'after a commit whose answer was lost the lane passes over a call that nobody sent',
    {
      file: 'src/store/lanes.ts',
      original: 'and l.owner_epoch = r.epoch and l.head_position = r.position',
      planted: 'and l.owner_epoch = r.epoch',
    },
  ),
  bug(
    'an enqueue is never seen before',
    'lossy network',
    'a request repeated after a lost answer becomes a second job',
    {
      file: 'src/farm/enqueue-plan.ts',
      original: 'known.seen.map((seen) => [',
      planted: 'known.seen.slice(known.seen.length).map((seen) => [',
    },
  ),
  bug(
    'a revoked token keeps its poll',
    'tokens',
    'a bot whose token was stolen, and ended, is still handed work by the poll that was parked then',
    {
      file: 'src/fronts/grpc/port.ts',
      original: 'if (waits && known.until.aborted) throw',
      planted: 'if (waits && known === null) throw',
    },
    {
      file: 'src/fronts/grpc/port.ts',
      original: `  until.addEventListener('abort', end, { once: true });`,
      planted: '',
    },
  ),
  bug(
    'a promotion goes unnoticed',
    'promotion',
    'a partner is told things anew, or not at all, by a farm that has forgotten',
    {
      file: 'src/core/restore.ts',
      original: 'if (seen === null || now === null || seen === now) return null;',
      planted: 'if (seen !== undefined) return null;',
    },
  ),
];
