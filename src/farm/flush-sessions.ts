/**
 * The one write of the bots' road: what many sessions report and ask for, in one commit. Fenced by the attach epochs,
 * loaded in lock order, stepped in memory, written table by table; then the grants.
 */
import { farmEvent } from '../core/farm-event.ts';
import { clearErrors, closeSessions, declareSessions, lockAttached } from '../store/bot-sessions.ts';
import { saysTheSame } from '../core/test-result.ts';
import { endSettling } from '../store/devices.ts';
import { lockJobs } from '../store/jobs.ts';
import { type HeldRow, lockOpenLeases, type LeaseRow, readHeldLeases, readLeases } from '../store/leases.ts';
import { readStanding } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { type FarmSeams, transact, type Wake } from './farm.ts';
import { grantLeases } from './grant-leases.ts';
import type { GrantReport, Knows, SessionWrite, SessionWritten } from './session-write.ts';
import { type LeaseStep, settleLease } from './settle-lease.ts';

const NOTHING_ASKED: GrantReport = { leases: 0, empty: true, blockedBy: null };

export const flushSessions = async (
  farm: FarmSeams & { readonly wake: (wakes: readonly Wake[]) => void; readonly knows: Knows },
  writes: readonly SessionWrite[],
): Promise<SessionWritten[]> => {
  const startedMs = farm.clock.monotonicMs();
  const done = await transact(farm, async (db) => {
    const fence = await lockAttached(db, writes);
    const attached = writes.filter((write) => fence.names.has(write.name));
    const ledger = await load(db, fence.now, attached);
    for (const write of attached) step(farm, ledger, write);
    await declare(db, ledger, attached);
    await writeLedger(db, ledger);
    const granted = await grantLeases(farm, db, ledger, attached);
    const held = await readHeldLeases(
      db,
      attached.map((write) => write.name),
    );
    return { fence, ledger, granted, held: bySession(held) };
  });
  // Their home, this one, has just been told by the reply.
  const own = new Set(writes.map((write) => write.name));
  const wakes = done.ledger.wakes.filter((wake) => wake.kind !== 'session' || !own.has(wake.name));
  announce({ ...done.ledger, wakes }, farm);
  farm.witness.flushed({ rows: writes.length, ms: farm.clock.monotonicMs() - startedMs });
  return writes.map((write) => {
    if (!done.fence.names.has(write.name)) {
      farm.witness.fenced('session');
      return { kind: 'detached' };
    }
    return {
      kind: 'written',
      held: done.held.get(write.name) ?? [],
      granted: done.granted.get(write.name) ?? NOTHING_ASKED,
    };
  });
};

/** Locks what the steps may touch. A batch that only looks for work loads nothing. */
const load = async (db: Queryable, now: Date, writes: readonly SessionWrite[]): Promise<Ledger> => {
  const stepping = writes.filter((write) => write.steps.length > 0 || write.echoes.length > 0);
  if (stepping.length === 0) return openLedger(now);
  const sessionNames = stepping.map((write) => write.name);
  const jobs = await lockJobs(db, { jobIds: [], sessionNames });
  const leases = await lockOpenLeases(db, { sessionNames, jobIds: [] });
  const open = new Set(leases.map((lease) => lease.id));
  const completing = stepping.flatMap((write) => write.steps.filter((step) => step.completion !== null));
  // A lease that has ended: its late completion is held against what stands, and kept as stale when it differs.
  const late = await readLeases(
    db,
    completing.map((step) => step.leaseId).filter((id) => !open.has(id)),
  );
  const standing = await readStanding(
    db,
    completing.map((step) => step.leaseId),
  );
  return openLedger(now, { jobs, leases: [...leases, ...late], standing });
};

const step = (farm: FarmSeams, ledger: Ledger, write: SessionWrite): void => {
  for (const { leaseId, ...taken } of write.steps) {
    const lease = ledger.leases.get(leaseId);
    // A lease id that was never this session's is as good as unknown: nobody reports another bot's work.
    if (lease?.sessionName !== write.name) continue;
    if (lease.closedAt !== null) keepLate(farm, ledger, lease, taken);
    else settleLease(farm, ledger, lease, taken);
  }
  for (const leaseId of write.echoes) {
    const lease = ledger.leases.get(leaseId);
    if (lease?.sessionName !== write.name || lease.echoedAt !== null || lease.closedAt !== null) continue;
    lease.echoedAt = ledger.now;
    ledger.changedLeases.add(lease);
  }
};

/** Invariant 6: answered OK, changes nothing; what contradicts is kept as stale, with an event and a count. */
const keepLate = (farm: FarmSeams, ledger: Ledger, lease: LeaseRow, { completion }: LeaseStep): void => {
  if (completion === null) return;
  const standing = ledger.standing.get(lease.id);
  const contradicting = completion.results.filter((result) => {
    const known = standing?.get(result.testId);
    return known === undefined || !saysTheSame(known.result, result);
  });
  if (contradicting.length === 0) return;
  for (const result of contradicting) {
    ledger.results.push({
      leaseId: lease.id,
      jobId: lease.jobId,
      attempt: lease.attempt,
      testId: result.testId,
      status: result.status,
      result,
      stale: true,
    });
  }
  const { instance, jobId, botId, deviceId } = lease;
  const facts = { results: contradicting.length, state: lease.state };
  ledger.events.push(farmEvent('LATE_COMPLETION', instance, { jobId, leaseId: lease.id, botId, deviceId, facts }));
  farm.witness.fenced('lease');
};

/** Status, labels, capacity; sessions that end themselves; errors that a completed lease clears; DUTs that settle. */
const declare = async (db: Queryable, ledger: Ledger, writes: readonly SessionWrite[]): Promise<void> => {
  await declareSessions(
    db,
    writes.flatMap(({ name, declared }) => (declared === null ? [] : [{ name, ...declared }])),
  );
  await closeSessions(
    db,
    writes.flatMap(({ name, ending }) => (ending === null ? [] : [{ name, reason: ending }])),
  );
  await clearErrors(
    db,
    writes.filter((write) => write.clearsErrors),
  );
  const settled = await endSettling(
    db,
    writes.flatMap((write) => (write.settles ? write.deviceIds : [])),
  );
  for (const id of settled) ledger.wakes.push({ kind: 'device', id });
  for (const { instance, botId, ending } of writes) {
    if (ending === null) continue;
    ledger.events.push(farmEvent('SESSION_CLOSED', instance, { botId, facts: { reason: ending } }));
  }
};

const bySession = (rows: readonly HeldRow[]): ReadonlyMap<string, readonly HeldRow[]> => {
  const grouped = new Map<string, HeldRow[]>();
  for (const row of rows) {
    const known = grouped.get(row.sessionName);
    if (known === undefined) grouped.set(row.sessionName, [row]);
    else known.push(row);
  }
  return grouped;
};
