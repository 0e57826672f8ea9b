/** Judges a run by what its clients saw, what its partner was told, and what the database holds. Each judge names what is wrong. */
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { CallRow, Evidence, LeaseRow } from './evidence.ts';
import type { Stamped } from './history.ts';
import { LOST_AFTER_MS, TTL_MS } from './times.ts';

type Wrong = readonly string[];

const grouped = <T>(of: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  for (const one of of) {
    const group = groups.get(keyOf(one));
    if (group === undefined) groups.set(keyOf(one), [one]);
    else group.push(one);
  }
  return groups;
};

const factsOf = ({ hosts }: Evidence): readonly Stamped[] => hosts.flatMap(({ facts }) => facts);

type Of<K extends Stamped['kind']> = Extract<Stamped, { readonly kind: K }>;
const ofKind = <K extends Stamped['kind']>(evidence: Evidence, kind: K): readonly Of<K>[] =>
  factsOf(evidence).filter((fact): fact is Of<K> => fact.kind === kind);

/**
 * What a bot was told the farm has, the farm has: results that it took, completions that it acknowledged. A completion that
 * came after its lease had ended is answered too, and kept beside; one whose lease ended otherwise only after the answer
 * was lost.
 */
export function completionsLost(evidence: Evidence): Wrong {
  const leases = new Map(evidence.records.leases.map((lease) => [lease.id, lease]));
  const kept = new Set(
    evidence.records.results.map(({ leaseId, testId, token }) => `${leaseId} ${testId} ${token ?? ''}`),
  );
  const missing = (lease: string, results: Of<'reported'>['results']): Wrong =>
    results
      .filter(({ testId, token }) => !kept.has(`${lease} ${testId} ${token}`))
      .map(({ testId }) => `lease ${lease}: the acknowledged result of ${testId} is gone`);
  const sent = grouped(ofKind(evidence, 'completing'), ({ lease }) => lease);
  const ended = ofKind(evidence, 'completed').filter(({ shown }) => shown === 'ABSENT');
  return [
    ...ofKind(evidence, 'reported').flatMap(({ lease, results, fenced }) => (fenced ? [] : missing(lease, results))),
    ...ended.flatMap(({ lease: id, wallMs }) => {
      const lease = leases.get(id);
      if (lease === undefined) return [`lease ${id}: acknowledged, and not known at all`];
      const isLate = lease.closedMs !== null && lease.closedMs < wallMs;
      const results = sent.get(id)?.at(-1)?.results ?? [];
      if (lease.state === 'COMPLETED' || isLate) return missing(id, results);
      return [`lease ${id}: its completion was acknowledged, and then it became ${lease.state}`];
    }),
  ];
}

/** Jobs whose enqueueing was acknowledged are there, once, and have ended. */
export function jobsLost({ records, acknowledged }: Evidence): Wrong {
  const byRequest = grouped(records.jobs, ({ requestId }) => requestId);
  const ends = ['FINISHED', 'FAILED', 'CANCELLED'];
  return [
    ...[...acknowledged].flatMap(([request, id]) => {
      const [job, ...more] = byRequest.get(request) ?? [];
      if (job === undefined || job.id !== String(id)) return [`${request}: acknowledged as job ${id}, and not there`];
      return more.length === 0 ? [] : [`${request}: enqueued ${more.length + 1} times`];
    }),
    ...records.jobs.filter(({ state }) => !ends.includes(state)).map(({ id, state }) => `job ${id} is still ${state}`),
  ];
}

/** One completion counts for each job, one standing result for each test of a lease, one effect for each call. */
export function appliedTwice({ records, journal }: Evidence): Wrong {
  const completed = records.leases.filter(({ state }) => state === 'COMPLETED');
  const standing = records.results.filter(({ stale }) => !stale);
  const ends = records.calls.filter(({ method }) => method === 'NotifyEnd');
  const applied = journal.filter(({ outcome, key }) => outcome === 'applied' && key !== null);
  const twice = <T>(of: readonly T[], keyOf: (one: T) => string, what: string): Wrong =>
    [...grouped(of, keyOf)].flatMap(([key, all]) => (all.length === 1 ? [] : [`${what} ${key}: ${all.length} times`]));
  return [
    ...twice(completed, ({ jobId }) => jobId, 'completion of job'),
    ...twice(standing, ({ leaseId, testId }) => `${leaseId} ${testId}`, 'standing result of'),
    ...twice(ends, ({ jobId }) => jobId ?? '', 'NotifyEnd of job'),
    ...twice(applied, ({ key }) => key ?? '', 'call'),
  ];
}

/** Every owed call reached the partner, and every pass that a bot saw acknowledged was told. */
export function callsLost(evidence: Evidence): Wrong {
  const { records, journal } = evidence;
  const applied = new Set(journal.flatMap(({ outcome, key }) => (outcome === 'applied' ? [key] : [])));
  const ends = new Set(
    records.calls.flatMap(({ id, method, jobId }) => (method === 'NotifyEnd' && applied.has(id) ? [jobId] : [])),
  );
  const passed = new Set(records.jobs.flatMap(({ id, verdict }) => (verdict === 'PASSED' ? [id] : [])));
  const jobs = new Map(records.leases.flatMap(({ id, jobId, state }) => (state === 'COMPLETED' ? [[id, jobId]] : [])));
  const acknowledged = ofKind(evidence, 'completed').filter(({ shown }) => shown === 'ABSENT');
  return [
    ...records.calls
      .filter(({ state }) => state === 'OWED' || state === 'DEAD')
      .map(({ id, method, state }) => `${method} ${id} is still ${state}`),
    ...records.calls
      .filter(({ state, id }) => state === 'DELIVERED' && !applied.has(id))
      .map(({ id, method }) => `${method} ${id} is said to be delivered, and the partner never took it`),
    ...[...new Set(acknowledged.flatMap(({ lease }) => jobs.get(lease) ?? []))]
      .filter((job) => passed.has(job) && !ends.has(job))
      .map((job) => `job ${job} passed, and the partner was never told its end`),
  ];
}

/** The partner saw each lane in its order, and each attempt as one story. */
export function orderViolations({ records, journal }: Evidence): Wrong {
  const check = checkJournal(journal);
  const places = new Map(records.calls.map((call) => [call.id, call]));
  const last = new Map<string, CallRow>();
  const overtaken: string[] = [];
  for (const { outcome, key } of journal) {
    const call = places.get(key ?? '');
    if (outcome !== 'applied' || call === undefined) continue;
    const before = last.get(call.deviceId);
    if (before !== undefined && before.position > call.position) {
      overtaken.push(`lane ${call.deviceId}: ${call.position} (${call.method}) came after ${before.position}`);
    }
    last.set(call.deviceId, call);
  }
  return [
    ...overtaken,
    ...check.orderViolations.map(({ seq, device, method, why }) => `line ${seq}: ${method} of ${device}: ${why}`),
    ...check.gapsAfter.map((seq) => `the journal has a gap after ${seq}`),
    ...check.openAttempts.map(({ device, station }) => `${device} was started at ${station} and never closed`),
  ];
}

/** Sends of which the farm wrote down that it cannot know whether they were taken. */
export const ambiguousOf = ({ sends }: CallRow): number =>
  sends.filter(({ outcome }) => outcome === 'ambiguous').length;

/** A call came again only as often as the farm had written down that it could not know. */
export function duplicatesBeyond({ records, journal }: Evidence): Wrong {
  const calls = new Map(records.calls.map((call) => [call.id, call]));
  const came = grouped(
    journal.filter(({ outcome }) => outcome === 'applied' || outcome === 'repeated'),
    ({ key }) => key ?? '',
  );
  return [
    ...[...came].flatMap(([key, lines]) => {
      const call = calls.get(key);
      if (call === undefined) return [`the partner took ${key}, which nobody owed`];
      const again = lines.length - 1;
      const inDoubt = ambiguousOf(call);
      return again <= inDoubt
        ? []
        : [`${call.method} ${key} came again ${again} times, with ${inDoubt} ambiguous sends`];
    }),
    ...journal
      .filter(({ outcome }) => outcome === 'key-reused')
      .map(({ key }) => `${key ?? ''} came with another body`),
  ];
}

/** Beyond its time to live, a bot's silence is found out within so much; its next sign of life takes as long to come. */
const SLACK_MS = TTL_MS;

/** Bots declared lost although nothing had happened to them: it was we who were away. */
export function expiriesOfOurs({ records, hosts, silences }: Evidence): Wrong {
  const away = new Map<string, { readonly fromWallMs: number; readonly toWallMs: number }[]>();
  for (const { bots, spans, facts } of hosts) {
    const starved = facts.flatMap((fact) =>
      fact.kind === 'away' ? [{ fromWallMs: fact.wallMs - (fact.atMs - fact.sinceMs), toWallMs: fact.wallMs }] : [],
    );
    for (const bot of bots) away.set(bot, [...spans, ...starved]);
  }
  for (const { botId, ...silence } of silences) away.get(botId)?.push(silence);
  return records.losses
    .filter(({ kind, botId, atMs }) => {
      const silentMs = TTL_MS + SLACK_MS + (kind === 'LEASE_LOST' ? LOST_AFTER_MS : 0);
      return !(away.get(botId) ?? []).some(
        ({ fromWallMs, toWallMs }) => fromWallMs < atMs && toWallMs > atMs - silentMs,
      );
    })
    .map(
      ({ kind, botId, atMs }) => `${new Date(atMs).toISOString()} ${botId}: ${kind}, and nothing had happened to it`,
    );
}

/** A process that wakes needs a moment of CPU to see that its time was over. */
const WAKING_MS = 2_000;

/** Two attempts that held one DUT at the same time, by the bots' own account. A dead host's runs ended with it. */
export function runsOverlapping({ hosts }: Evidence): Wrong {
  const runs = hosts.flatMap(({ spans, facts }) => {
    const ends = new Map(facts.flatMap((fact) => (fact.kind === 'end' ? [[fact.run, fact.atMs]] : [])));
    return facts.flatMap((fact) => {
      if (fact.kind !== 'begin') return [];
      const fromMs = fact.atMs;
      const died = spans.find((span) => span.kind === 'dead' && span.fromMs > fromMs)?.fromMs ?? Infinity;
      const endMs = Math.min(ends.get(fact.run) ?? Infinity, died);
      // Frozen, it touched nothing; if it stopped as soon as it woke, it stopped in time.
      const freeze = spans.find((span) => span.kind === 'frozen' && span.fromMs > fromMs && span.fromMs < endMs);
      const toMs = freeze !== undefined && endMs < freeze.toMs + WAKING_MS ? freeze.fromMs : endMs;
      return [{ ...fact, fromMs, toMs, attemptOf: `${fact.job} attempt ${fact.attempt}` }];
    });
  });
  return [...grouped(runs, ({ dut }) => dut)].flatMap(([dut, atOne]) => {
    const inTurn = [...atOne].sort((a, b) => a.fromMs - b.fromMs);
    return inTurn.flatMap((run, index) =>
      inTurn
        .slice(index + 1)
        .filter((other) => other.fromMs < run.toMs && other.run !== run.run)
        .map((other) => `${dut}: ${run.attemptOf} at ${run.bot} and ${other.attemptOf} at ${other.bot}`),
    );
  });
}

/** Leases of frozen hosts that the farm had given up by the time they woke, and whose bots then let go of them. */
export function zombiesFenced({ records, hosts }: Evidence): readonly LeaseRow[] {
  return hosts.flatMap(({ bots, spans, facts }) =>
    spans
      .filter(({ kind, fromMs, toMs }) => kind === 'frozen' && toMs - fromMs > Math.max(TTL_MS, LOST_AFTER_MS))
      .flatMap(({ fromWallMs, toWallMs, toMs }) => {
        const wokeUp = new Set(
          facts.filter(({ atMs }) => atMs > toMs).flatMap((fact) => ('bot' in fact ? [fact.bot] : [])),
        );
        return records.leases.filter(
          ({ botId, state, grantedMs, closedMs }) =>
            bots.includes(botId) &&
            wokeUp.has(botId) &&
            state === 'LOST' &&
            grantedMs < fromWallMs &&
            closedMs !== null &&
            closedMs > fromWallMs &&
            closedMs <= toWallMs,
        );
      }),
  );
}
