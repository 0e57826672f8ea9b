/** Results of a lease that still runs (stationgrid.v1 Results.ReportTestResults). */
import { isLeaseId } from '../core/lease.ts';
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { TestResult } from '../core/test-result.ts';
import { findSession } from './find-session.ts';
import type { Home } from './home.ts';
import { dropSession } from './sessions.ts';
import type { ResultCounts } from './keep-results.ts';

export type ReportedResults = ResultCounts & {
  /** The lease is no longer open: nothing was stored. */
  readonly fenced: boolean;
};

const FENCED: ReportedResults = { stored: 0, repeated: 0, stale: 0, fenced: true };

/** How often a report starts over because its session moved to another home under it. */
const REATTACH_MAX = 3;

/** @throws Refusal SESSION_UNKNOWN, SESSION_CLOSED, UNAVAILABLE; INVALID when the attempt would have too many results. */
export const reportTestResults = async (home: Home, report: Reported): Promise<ReportedResults> => {
  for (let tries = 1; tries <= REATTACH_MAX; tries += 1) {
    const session = await findSession(home, report.session, report.caller);
    session.seenMs = home.clock.monotonicMs();
    const { name, attachEpoch } = session;
    const { leaseId, results } = report;
    const stored = isLeaseId(leaseId)
      ? await home.report({ session: { name, attachEpoch }, leaseId, results })
      : 'fenced';
    if (stored === 'moved') {
      // What this replica remembers is old; the lease may well be open, through another one.
      dropSession(home.sessions, session, 'changed');
      continue;
    }
    if (stored instanceof Refusal) throw stored;
    if (stored === 'fenced') {
      home.witness.fenced('result');
      return FENCED;
    }
    return { ...stored, fenced: false };
  }
  throw new Refusal(
    'UNAVAILABLE',
    'SESSION_MOVES',
    'The bot session moved between replicas faster than the results could be stored. Send them again in a moment.',
  );
};

type Reported = {
  readonly session: string;
  /** Whose the session must be; null: anybody's. */
  readonly caller: BotIdentity | null;
  readonly leaseId: string;
  readonly results: readonly TestResult[];
};
