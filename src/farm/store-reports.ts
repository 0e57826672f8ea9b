/** The one write of results that bots report while they run: of many bots in one commit, fenced by the attach epochs. */
import type { TestResult } from '../core/test-result.ts';
import { type Attached, lockAttached } from '../store/bot-sessions.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import { readResults } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { Refusal } from '../core/refusal.ts';
import { type Farm, transact } from './farm.ts';
import { refusalOf, type ResultCounts } from './keep-results.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { reportResults } from './settle-lease.ts';

export type Report = {
  readonly session: Attached;
  readonly leaseId: string;
  readonly results: readonly TestResult[];
};

/** `moved`: the session is not attached as it was seen. `fenced`: it has no such open lease. These and a refusal change nothing. */
export type ReportStored = ResultCounts | Refusal | 'moved' | 'fenced';

/** Several of one session are taken in the order given. */
export const storeReports = async (farm: Farm, reports: readonly Report[]): Promise<ReportStored[]> => {
  const done = await transact(farm, async (db) => {
    const fence = await lockAttached(
      db,
      reports.map(({ session }) => session),
    );
    const attached = reports.filter(({ session }) => fence.isAttached(session));
    const ledger = await load(db, fence.now, attached);
    const ends = reports.map((report) => (fence.isAttached(report.session) ? take(farm, ledger, report) : 'moved'));
    await writeLedger(db, ledger);
    return { ledger, ends };
  });
  announce(done.ledger, farm);
  return done.ends;
};

const load = async (db: Queryable, now: Date, reports: readonly Report[]): Promise<Ledger> => {
  if (reports.length === 0) return openLedger(now);
  const sessionNames = [...new Set(reports.map(({ session }) => session.name))];
  const jobs = await lockJobs(db, { jobIds: [], sessionNames });
  const leases = await lockOpenLeases(db, { sessionNames, jobIds: [] });
  const reported = new Set(reports.map(({ leaseId }) => leaseId));
  const results = await readResults(
    db,
    leases.filter(({ id }) => reported.has(id)),
    reports.flatMap((report) => report.results.map(({ testId }) => testId)),
  );
  return openLedger(now, { jobs, leases, results });
};

const take = (farm: Farm, ledger: Ledger, { session, leaseId, results }: Report): ReportStored => {
  const lease = ledger.leases.get(leaseId);
  if (lease?.sessionName !== session.name) return 'fenced';
  // Once it is asked to stop, what it says counts for nothing, and fills no room of what counts.
  const refusal = lease.state === 'CANCELLING' ? null : refusalOf(farm.limits, ledger, lease, results);
  if (refusal !== null) return refusal;
  const { left, ...counts } = reportResults(farm, ledger, lease, results);
  if (left > 0) throw new Error(`${String(left)} results of lease ${leaseId} found no room, and were not refused`);
  return counts;
};
