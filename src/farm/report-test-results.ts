/** Results of a lease that still runs (stationgrid.v1 Results.ReportTestResults). */
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { TestResult } from '../core/test-result.ts';
import { lockAttached } from '../store/bot-sessions.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import { readStanding } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { transact } from './farm.ts';
import { findSession } from './find-session.ts';
import type { Home } from './home.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { dropSession, type Session } from './sessions.ts';
import { reportResults } from './settle-lease.ts';

export type ReportedResults = {
  readonly stored: number;
  readonly repeated: number;
  readonly stale: number;
  /** The lease is no longer open: nothing was stored. */
  readonly fenced: boolean;
};

const FENCED: ReportedResults = { stored: 0, repeated: 0, stale: 0, fenced: true };

/** How often a report starts over because its session moved to another home under it. */
const REATTACH_MAX = 3;

/** @throws Refusal SESSION_UNKNOWN, SESSION_CLOSED, UNAVAILABLE. */
export const reportTestResults = async (home: Home, report: Report): Promise<ReportedResults> => {
  for (let tries = 1; tries <= REATTACH_MAX; tries += 1) {
    const session = await findSession(home, report.session, report.caller);
    session.seenMs = home.clock.monotonicMs();
    const done = await transact(home, (db) => store(home, db, session, report));
    if (done === 'moved') {
      // What this replica remembers is old; the lease may well be open, through another one.
      dropSession(home.sessions, session, 'changed');
      continue;
    }
    if (done === 'fenced') {
      home.witness.fenced('result');
      return FENCED;
    }
    announce(done.ledger, home);
    return { ...done.counts, fenced: false };
  }
  throw new Refusal(
    'UNAVAILABLE',
    'SESSION_MOVES',
    'The bot session moved between replicas faster than the results could be stored. Send them again in a moment.',
  );
};

type Report = {
  readonly session: string;
  /** Whose the session must be; null: anybody's. */
  readonly caller: BotIdentity | null;
  readonly leaseId: string;
  readonly results: readonly TestResult[];
};

const store = async (home: Home, db: Queryable, session: Session, report: Report) => {
  const fence = await lockAttached(db, [session]);
  if (!fence.isAttached(session)) return 'moved';
  const sessionNames = [session.name];
  const jobs = await lockJobs(db, { jobIds: [], sessionNames });
  const leases = await lockOpenLeases(db, { sessionNames, jobIds: [] });
  const lease = leases.find(({ id }) => id === report.leaseId);
  if (lease === undefined) return 'fenced';
  const standing = await readStanding(db, [lease.id]);
  const ledger = openLedger(fence.now, { jobs, leases, standing });
  const counts = reportResults(home, ledger, lease, report.results);
  await writeLedger(db, ledger);
  return { ledger, counts };
};
