/** Sessions are taken over from other homes: of many bots in one commit, since a replica that goes leaves them all at once. */
import type { BotIdentity } from '../core/principal.ts';
import type { Refusal } from '../core/refusal.ts';
import { attachSessions, readSessions, type SessionRow } from '../store/bot-sessions.ts';
import { readSettling } from '../store/devices.ts';
import { type HeldRow, readHeldLeases } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import { type Farm, transact } from './farm.ts';
import { closedSession, isOf, unknownSession } from './session-refusals.ts';

export type Taking = {
  readonly name: string;
  /** Whose it must be; null: anybody's. */
  readonly bot: BotIdentity | null;
};

/** A session that is at home here from now on, as of the epoch in `row`. */
export type Taken = {
  readonly row: SessionRow;
  readonly held: readonly HeldRow[];
  /** One of its DUTs settles. */
  readonly unsettled: boolean;
};

export const takeSessions = async (farm: Farm, takings: readonly Taking[]): Promise<(Taken | Refusal)[]> => {
  const done = await transact(farm, (db) => take(farm, db, takings));
  // Tells the former homes, which may have polls of them parked.
  const moved = [...done.before.values()].filter(
    ({ name, homeReplica }) => done.taken.has(name) && homeReplica !== farm.replica,
  );
  if (moved.length > 0) farm.wake(moved.map(({ name }) => ({ kind: 'session', name })));
  return takings.map((taking) => {
    const before = done.before.get(taking.name);
    // The very answer of an absent one: a bot learns nothing of another's session, and closes nothing.
    if (before === undefined || !isOf(before, taking.bot)) return unknownSession(taking.name);
    const row = done.taken.get(taking.name);
    if (row === undefined) return closedSession(before);
    const unsettled = row.deviceIds.some((id) => done.settling.has(id));
    return { row, held: done.held.get(taking.name) ?? [], unsettled };
  });
};

const take = async (farm: Farm, db: Queryable, takings: readonly Taking[]) => {
  const names = [...new Set(takings.map(({ name }) => name))];
  const before = new Map((await readSessions(db, names)).map((row) => [row.name, row]));
  const theirs = takings.filter(({ name, bot }) => {
    const row = before.get(name);
    return row !== undefined && isOf(row, bot);
  });
  const own = [...new Set(theirs.map(({ name }) => name))];
  const [rows, held, settling] = await Promise.all([
    attachSessions(db, own, { replica: farm.replica, ttlMs: farm.limits.session.ttlMs }),
    readHeldLeases(db, own),
    readSettling(db, [...new Set([...before.values()].flatMap(({ deviceIds }) => deviceIds))]),
  ]);
  return {
    settling,
    before,
    taken: new Map(rows.map((row) => [row.name, row])),
    held: Map.groupBy(held, ({ sessionName }) => sessionName),
  };
};
