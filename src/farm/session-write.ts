/** What the bots' road writes, as the sessions ask for it and as the flush answers. */
import type { Properties } from '../core/match.ts';
import type { Declared } from '../store/bot-sessions.ts';
import type { HeldRow } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import type { Search } from './matching.ts';
import type { LeaseStep } from './settle-lease.ts';

/** What one session wants written. Everything may be empty but not all of it. */
export type SessionWrite = {
  readonly name: string;
  readonly instance: string;
  readonly botId: string;
  readonly attachEpoch: number;
  readonly properties: Properties;
  readonly classKey: string;
  /** What the bot newly says of itself; null: nothing new. */
  readonly declared: Declared | null;
  readonly deviceIds: readonly number[];
  /** Steps of leases, those that complete first. */
  readonly steps: readonly (LeaseStep & { readonly leaseId: string })[];
  /** Leases that the bot has shown for the first time, or again. */
  readonly echoes: readonly string[];
  /** Leases that it left out for the first time: the second time in a row they are lost, wherever that report comes in. */
  readonly absent: readonly string[];
  /** What it could be given; null: nothing. */
  readonly search: Search | null;
  /** Of the work that it goes on holding; 0 where it looks for none. */
  readonly heldBytes: number;
  /** The session ends by the bot's own word: the reason; null: it goes on. */
  readonly ending: string | null;
  /** Errors stand against the bot, and it has completed a lease. */
  readonly clearsErrors: boolean;
  /** Newly OK and holding nothing: its DUTs have settled. */
  readonly settles: boolean;
  /** The bot was heard of, and the database has not known that for long. */
  readonly renews: boolean;
  /** Monotonic ms since when it waits for work; null: it only asks now. */
  readonly freeSinceMs: number | null;
};

export type SessionWritten =
  | { readonly kind: 'detached' }
  | { readonly kind: 'written'; readonly held: readonly HeldRow[]; readonly granted: GrantReport };

/** What a session that looked for work found. */
export type GrantReport = {
  readonly leases: number;
  /** The requirement sets for which something was queued; the hints of the others may go. */
  readonly queued: ReadonlySet<number>;
  /** Some of what was queued is for bots like it. */
  readonly couldTake: boolean;
  /** Why there was work but none for it now, in words; null: nothing stood in the way. */
  readonly blockedBy: string | null;
};

export const NOTHING_FOUND: GrantReport = { leases: 0, queued: new Set(), couldTake: false, blockedBy: null };

/** Which class of bots serves which requirement set: decided in memory, read from the database on first sight. */
export type Knows = {
  readonly learn: (db: Queryable, requirementIds: readonly number[]) => Promise<void>;
  readonly serves: (
    write: Pick<SessionWrite, 'instance' | 'properties' | 'classKey'>,
    requirementId: number,
  ) => boolean;
};
