/**
 * This replica as the home of sessions: their memory, the batched write behind it, and the feeding of parked polls. The
 * use-cases of the Bots road are given a Home; everyone else makes do with the Farm. `open-home.ts` makes it.
 */
import type { Refusal } from '../core/refusal.ts';
import type { Beginning, Begun } from './begin-sessions.ts';
import type { EnqueueingFarm } from './enqueue-job.ts';
import type { Matching } from './matching.ts';
import type { SessionWrite, SessionWritten } from './session-write.ts';
import type { Session, SessionTable } from './sessions.ts';
import type { Report, ReportStored } from './store-reports.ts';
import type { Taken, Taking } from './take-sessions.ts';

export type Home = EnqueueingFarm & {
  readonly sessions: SessionTable;
  readonly matching: Matching;
  /** Writes in the next commit; the session's memory follows what was written. */
  readonly write: (session: Session, change: Change) => Promise<SessionWritten>;
  /** Stores results of a lease that runs, in the next commit. */
  readonly report: (report: Report) => Promise<ReportStored>;
  /** Makes this replica the session's home, in the next commit; a Refusal: why not. */
  readonly take: (taking: Taking) => Promise<Taken | Refusal>;
  /** Begins a bot's session, in the next commit; a Refusal: why not. */
  readonly begin: (beginning: Beginning) => Promise<Begun | Refusal>;
  /** Gives hot work to parked sessions until nothing is hot or nobody is hungry. */
  readonly feed: () => void;
  /** Resolves when no write is in flight. */
  readonly settled: () => Promise<void>;
  /** No new work is given and no poll is parked any more: the replica is leaving. */
  stopping: boolean;
  /** Monotonic ms of the database's last answer: to a heartbeat, or to a session's write. */
  answeredMs: number;
  /** Monotonic ms from before the last heartbeat that did what it should was sent; of the start, while there was none. */
  beatMs: number;
  /** Of the last answer, when a heartbeat did not reach the database since; null: none has failed so. `vouch.ts` sets it. */
  silentSinceMs: number | null;
};

/** What a use-case wants changed of a session. */
export type Change = {
  readonly [
    K in 'declared' | 'steps' | 'echoes' | 'absent' | 'search' | 'ending' | 'clearsErrors' | 'settles' | 'renews'
  ]?: SessionWrite[K];
};
