/**
 * The one write of the bots' road: what many sessions report and ask for, in one commit. Fenced by the attach epochs,
 * loaded in lock order, stepped in memory, the rows written; then the grants, and what all of it owes and tells.
 */
import { farmEvent } from '../core/farm-event.ts';
import {
  clearErrors,
  declareSessions,
  endSessions,
  type Fence,
  lockAttached,
  lockBots,
  renewSessions,
} from '../store/bot-sessions.ts';
import { endSettling } from '../store/devices.ts';
import { lockJobs } from '../store/jobs.ts';
import { type HeldRow, lockOpenLeases, readHeldLeases } from '../store/leases.ts';
import { readOutageEnd } from '../store/sweeps.ts';
import { readResults } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { announce, type Ledger, openLedger, writeLedger, writeRows } from './ledger.ts';
import { type FarmSeams, transact, type Wake } from './farm.ts';
import { grantLeases } from './grant-leases.ts';
import { type Knows, NOTHING_FOUND, type SessionWrite, type SessionWritten } from './session-write.ts';
import { type Completed, keepLate, testsOf } from './keep-late.ts';
import { settleLease } from './settle-lease.ts';

export const flushSessions = async (
  farm: FarmSeams & { readonly wake: (wakes: readonly Wake[]) => void; readonly knows: Knows },
  writes: readonly SessionWrite[],
): Promise<SessionWritten[]> => {
  const startedMs = farm.clock.monotonicMs();
  const done = await transact(farm, async (db) => {
    const { fence, attached, ledger } = await load(farm, db, writes);
    await keepLate(farm, db, ledger, attached.flatMap(completionsOf));
    for (const write of attached) step(farm, ledger, write);
    // Asked in one go; the look for work, asked last, finds what those before it leave.
    const [settled, , , granted] = await Promise.all([
      declare(farm, db, attached),
      writeRows(db, ledger),
      end(db, ledger, attached),
      grantLeases(farm, db, ledger, attached),
    ]);
    const names = attached.map((write) => write.name);
    const [, held] = await Promise.all([writeLedger(db, ledger), readHeldLeases(db, names)]);
    return { fence, ledger, granted, held: bySession(held), attached, settled };
  });
  const wakes = wakesOf(done.ledger, done.attached);
  // Nobody has seen these free: they were looked at in the same round trip.
  for (const id of done.settled) wakes.push({ kind: 'device', id });
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

/**
 * What the sessions themselves need not hear. Their home, this one, has just been told by the reply; and who let a DUT go,
 * and looked for work for it in the same commit, would find nothing more.
 */
const wakesOf = (ledger: Ledger, attached: readonly SessionWrite[]): Wake[] => {
  const own = new Set(attached.map((write) => write.name));
  const seenBy = new Map(
    attached.flatMap(({ name, search, ending }) =>
      search === null || ending !== null ? [] : search.deviceIds.map((id) => [id, name] as const),
    ),
  );
  return ledger.wakes.flatMap((wake): Wake[] => {
    if (wake.kind === 'session') return own.has(wake.name) ? [] : [wake];
    const name = wake.kind === 'device' ? seenBy.get(wake.id) : undefined;
    return wake.kind === 'device' && name !== undefined ? [{ ...wake, seenBy: name }] : [wake];
  });
};

/** The fence, and the rows that the steps may touch, locked in one go. A batch that only looks for work loads nothing. */
const load = async (
  { limits }: FarmSeams,
  db: Queryable,
  writes: readonly SessionWrite[],
): Promise<{ readonly fence: Fence; readonly attached: readonly SessionWrite[]; readonly ledger: Ledger }> => {
  const stepping = writes.filter(({ steps, echoes, absent }) => steps.length + echoes.length + absent.length > 0);
  const sessionNames = stepping.map((write) => write.name);
  const completions = stepping.flatMap(completionsOf);
  const completing = new Set(completions.map(({ leaseId }) => leaseId));
  const [, fence, jobs] = await Promise.all([
    lockBots(
      db,
      writes.filter((write) => write.clearsErrors),
    ),
    lockAttached(db, writes),
    // Also of sessions that turn out to be elsewhere now: nothing is done to what is theirs.
    stepping.length === 0 ? [] : lockJobs(db, { jobIds: [], sessionNames }),
  ]);
  const attached = writes.filter(fence.isAttached);
  const renewed = attached.filter(({ renews }) => renews).map(({ name }) => name);
  const loses = stepping.some(({ steps }) => steps.some(({ event }) => event === 'ABSENT_AGAIN'));
  const [leases, outageEnd] = await Promise.all([
    stepping.length === 0 ? [] : lockOpenLeases(db, { sessionNames, jobIds: [] }),
    loses ? readOutageEnd(db, limits) : null,
    renewSessions(db, renewed, limits.session.ttlMs),
  ]);
  const results = await readResults(
    db,
    leases.filter(({ id }) => completing.has(id)),
    testsOf(completions),
  );
  return { fence, attached, ledger: openLedger(fence.now, { jobs, leases, results, outageEnd }) };
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

/** Status, labels, capacity; errors that a completed lease clears; DUTs that have settled, which come back. */
const declare = async (
  { limits }: FarmSeams,
  db: Queryable,
  writes: readonly SessionWrite[],
): Promise<readonly number[]> => {
  const [, , settled] = await Promise.all([
    declareSessions(
      db,
      writes.flatMap(({ name, declared }) => (declared === null ? [] : [{ name, ...declared }])),
    ),
    clearErrors(
      db,
      writes.filter((write) => write.clearsErrors),
    ),
    endSettling(
      db,
      writes.filter((write) => write.settles).map(({ name, deviceIds }) => ({ name, deviceIds })),
      limits.jobs.dutGraceMs,
    ),
  ]);
  return settled;
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
