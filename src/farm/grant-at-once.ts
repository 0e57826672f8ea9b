/**
 * Work that is being enqueued, given to bots that wait for it here, in the commit that makes it. It is the look that a wake
 * would start, only sooner: what is older or more urgent goes first, and every rule is that of `grant-leases.ts`. Where it
 * is not easily done it is left to the wake.
 */
import { lockAttachedIfFree, renewSessions } from '../store/bot-sessions.ts';
import { type HeldRow, readHeldLeases } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import { type AtOnce, wakesOf } from './enqueue-job.ts';
import type { Enqueued } from './enqueue-write.ts';
import { grantFrom, lookForWork } from './grant-leases.ts';
import type { Change, Home } from './home.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import type { Looks } from './looks.ts';
import { heatBy, hungryFor, type Matching, searchOf, withHints, withoutHints } from './matching.ts';
import { type GrantReport, type Knows, NOTHING_FOUND } from './session-write.ts';
import { dropSession, inTurn, type Session } from './sessions.ts';
import { answered, renewing } from './vouch.ts';
import { follow, type WhenAsked, whenAsked, writeOf } from './write-session.ts';

/** A session that is looked for; nobody else writes for it before `leave`. */
type Seat = WhenAsked & { readonly session: Session; readonly change: Change; readonly leave: () => void };

/** What its transaction has come to. */
type Given = {
  readonly ledger: Ledger;
  readonly held: ReadonlyMap<string, readonly HeldRow[]>;
  readonly granted: ReadonlyMap<string, GrantReport>;
  /** Sessions that were free and attached. */
  readonly reached: readonly Seat[];
};

/** For one transaction, which may be run more than once. */
export const grantAtOnce = (home: Home, knows: Knows, looks: Looks): AtOnce => {
  let endLook = (): void => undefined;
  let seats: readonly Seat[] = [];
  let given: Given | null = null;
  const leave = (): void => {
    for (const seat of seats) seat.leave();
    endLook();
    seats = [];
    given = null;
  };
  return {
    grant: async (db, jobs) => {
      leave();
      const runnable = jobs.filter(({ heldBy }) => heldBy === null);
      if (home.stopping || home.sessions.parked === 0 || runnable.length === 0) return new Set();
      await knows.learn(db, [...new Set(runnable.map(({ requirementId }) => requirementId))]);
      const end = looks.beginIfIdle();
      if (end === null) return new Set();
      endLook = end;
      seats = takeSeats(home, runnable);
      if (seats.length === 0) {
        leave();
        return new Set();
      }
      given = await give({ ...home, knows }, db, seats);
      return new Set([...given.held.values()].flat().map(({ jobId }) => jobId));
    },
    // It was rolled back: of the sessions nothing has changed.
    stepAside: leave,
    committed: () => {
      if (given !== null) tell(home, given);
      leave();
    },
    failed: () => {
      const isTried = seats.length > 0;
      // As after any write of theirs: it may have been committed all the same.
      for (const { session } of seats) dropSession(home.sessions, session, 'changed');
      leave();
      return isTried;
    },
  };
};

/** Parked sessions for the jobs, as many as there are jobs at most; each one's turn is taken, and none waited for. */
const takeSeats = (home: Home, jobs: readonly Enqueued[]): readonly Seat[] => {
  const asked = whenAsked(home);
  const fresh = withoutHints(home.matching);
  for (const wake of wakesOf(jobs)) heatBy(fresh, wake);
  const hungry = hungryFor(fresh, home.sessions, asked.startedMs, ({ inLine }) => inLine === 0);
  if (hungry.length === 0) return [];
  const all: Matching = withHints(home.matching, fresh);
  return hungry.flatMap((session) => {
    const search = searchOf(all, session, asked.startedMs);
    if (search === null) return [];
    const { promise, resolve } = Promise.withResolvers<undefined>();
    void inTurn(session, () => promise);
    const leave = (): void => {
      resolve(undefined);
    };
    return [{ ...asked, session, change: renewing(home, session, { search }), leave }];
  });
};

/** The jobs are inserted. The sessions are not waited for, so they may be locked behind them. */
const give = async (home: Home & { readonly knows: Knows }, db: Queryable, seats: readonly Seat[]): Promise<Given> => {
  const wanted = seats.map(({ session, change }) => writeOf(session, change));
  const [fence, look] = await Promise.all([lockAttachedIfFree(db, wanted), lookForWork(home, db, wanted)]);
  const writes = wanted.filter(fence.isAttached);
  const reached = seats.filter(({ session }) => fence.isAttached(session));
  const ledger = openLedger(fence.now);
  const seekers = look.seekers.filter(({ write }) => fence.isAttached(write));
  const granted = await grantFrom(home, db, ledger, { ...look, seekers });
  const renewed = writes.filter(({ renews }) => renews).map(({ name }) => name);
  const [, , held] = await Promise.all([
    writeLedger(db, ledger),
    renewSessions(db, renewed, home.limits.session.ttlMs),
    readHeldLeases(
      db,
      writes.map(({ name }) => name),
    ),
  ]);
  return { ledger, held: Map.groupBy(held, ({ sessionName }) => sessionName), granted, reached };
};

/** As the reply to a write of each of them would. */
const tell = (home: Home, { ledger, held, granted, reached }: Given): void => {
  answered(home);
  for (const seat of reached) {
    const { session } = seat;
    const leases = held.get(session.name) ?? [];
    follow(home, seat, { held: leases, granted: granted.get(session.name) ?? NOTHING_FOUND });
    if (leases.length > 0) session.parked?.end('work');
  }
  announce(ledger, home);
};
