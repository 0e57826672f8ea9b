/**
 * The one write of the bots' road: what many sessions report and ask for, in one commit. Fenced by the attach epochs,
 * loaded in lock order, stepped in memory, the rows written; then the grants, and what all of it owes and tells.
 */
import { farmEvent } from '../core/farm-event.ts';
import {
  clearErrors,
  declareSessions,
  endSessions,
  lockAttached,
  lockBots,
  renewSessions,
} from '../store/bot-sessions.ts';
import { endSettling } from '../store/devices.ts';
import { lockJobs } from '../store/jobs.ts';
import { type HeldRow, lockOpenLeases, readHeldLeases } from '../store/leases.ts';
import { readOutageEnd } from '../store/sweeps.ts';
import { readStanding } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { announce, type Ledger, openLedger, writeLedger, writeRows } from './ledger.ts';
import { type FarmSeams, transact, type Wake } from './farm.ts';
import { grantLeases } from './grant-leases.ts';
import type { GrantReport, Knows, SessionWrite, SessionWritten } from './session-write.ts';
import { type Completed, keepLate } from './keep-late.ts';
import { settleLease } from './settle-lease.ts';

const NOTHING_FOUND: GrantReport = { leases: 0, queued: new Set(), couldTake: false, blockedBy: null };

export const flushSessions = async (
  farm: FarmSeams & { readonly wake: (wakes: readonly Wake[]) => void; readonly knows: Knows },
  writes: readonly SessionWrite[],
): Promise<SessionWritten[]> => {
  const startedMs = farm.clock.monotonicMs();
  const done = await transact(farm, async (db) => {
    await lockBots(
      db,
      writes.filter((write) => write.clearsErrors),
    );
    const fence = await lockAttached(db, writes);
    const attached = writes.filter(fence.isAttached);
    const renewed = attached.filter(({ renews }) => renews).map(({ name }) => name);
    const [ledger] = await Promise.all([
      load(farm, db, fence.now, attached),
      renewSessions(db, renewed, farm.limits.session.ttlMs),
    ]);
    await keepLate(farm, db, ledger, attached.flatMap(completionsOf));
    for (const write of attached) step(farm, ledger, write);
    await declare(farm, db, ledger, attached);
    await writeRows(db, ledger);
    await end(db, ledger, attached);
    const granted = await grantLeases(farm, db, ledger, attached);
    const names = attached.map((write) => write.name);
    const [, held] = await Promise.all([writeLedger(db, ledger), readHeldLeases(db, names)]);
    return { fence, ledger, granted, held: bySession(held) };
  });
  // Their home, this one, has just been told by the reply.
  const own = new Set(writes.map((write) => write.name));
  const wakes = done.ledger.wakes.filter((wake) => wake.kind !== 'session' || !own.has(wake.name));
  announce({ ...done.ledger, wakes }, farm);
  farm.witness.flushed({ rows: writes.length, ms: farm.clock.monotonicMs() - startedMs });
  return writes.map((write) => {
    if (!done.fence.isAttached(write)) {
      farm.witness.fenced('session');
      return { kind: 'detached' };
    }
    return {
      kind: 'written',
      held: done.held.get(write.name) ?? [],
      granted: done.granted.get(write.name) ?? NOTHING_FOUND,
    };
  });
};

/** Locks what the steps may touch. A batch that only looks for work loads nothing. */
const load = async (
  { limits }: FarmSeams,
  db: Queryable,
  now: Date,
  writes: readonly SessionWrite[],
): Promise<Ledger> => {
  const stepping = writes.filter(({ steps, echoes, absent }) => steps.length + echoes.length + absent.length > 0);
  if (stepping.length === 0) return openLedger(now);
  const sessionNames = stepping.map((write) => write.name);
  const completing = new Set(stepping.flatMap(completionsOf).map(({ leaseId }) => leaseId));
  const jobs = await lockJobs(db, { jobIds: [], sessionNames });
  const leases = await lockOpenLeases(db, { sessionNames, jobIds: [] });
  const standing = await readStanding(
    db,
    leases.filter(({ id }) => completing.has(id)),
  );
  const loses = stepping.some(({ steps }) => steps.some(({ event }) => event === 'ABSENT_AGAIN'));
  const outageEnd = loses ? await readOutageEnd(db, limits) : null;
  return openLedger(now, { jobs, leases, standing, outageEnd });
};

const completionsOf = ({ instance, botId, steps }: SessionWrite): readonly Completed[] =>
  steps.flatMap(({ leaseId, completion }) => (completion === null ? [] : [{ instance, botId, leaseId, completion }]));

const step = (farm: FarmSeams, ledger: Ledger, write: SessionWrite): void => {
  for (const { leaseId, ...taken } of write.steps) {
    const lease = ledger.leases.get(leaseId);
    // A lease that is not this session's is as good as unknown: nobody reports another bot's work.
    if (lease?.sessionName === write.name) settleLease(farm, ledger, lease, taken);
  }
  for (const leaseId of write.echoes) see(ledger, write, leaseId, true);
  for (const leaseId of write.absent) see(ledger, write, leaseId, false);
};

/** Whether the bot shows the lease; that alone is no step of it. */
const see = (ledger: Ledger, write: SessionWrite, leaseId: string, isShown: boolean): void => {
  const lease = ledger.leases.get(leaseId);
  if (lease?.sessionName !== write.name || lease.closedAt !== null) return;
  if (isShown) lease.echoedAt ??= ledger.now;
  lease.absentAt = isShown ? null : ledger.now;
  ledger.changedLeases.add(lease);
};

/** Status, labels, capacity; errors that a completed lease clears; DUTs that settle. */
const declare = async (
  { limits }: FarmSeams,
  db: Queryable,
  ledger: Ledger,
  writes: readonly SessionWrite[],
): Promise<void> => {
  await declareSessions(
    db,
    writes.flatMap(({ name, declared }) => (declared === null ? [] : [{ name, ...declared }])),
  );
  await clearErrors(
    db,
    writes.filter((write) => write.clearsErrors),
  );
  const settled = await endSettling(
    db,
    writes.filter((write) => write.settles).map(({ name, deviceIds }) => ({ name, deviceIds })),
    limits.jobs.dutGraceMs,
  );
  for (const id of settled) ledger.wakes.push({ kind: 'device', id });
};

/** Sessions that end by their bots' own word, once their leases are written as closed. */
const end = async (db: Queryable, ledger: Ledger, writes: readonly SessionWrite[]): Promise<void> => {
  const ended = await endSessions(
    db,
    writes.flatMap(({ name, ending }) => (ending === null ? [] : [{ name, reason: ending }])),
  );
  for (const { instance, botId, reason } of ended)
    ledger.events.push(farmEvent('SESSION_CLOSED', instance, { botId, facts: { reason } }));
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
