/** What every door answers while the database is away: the same words, and never an internal error. */
import { Refusal } from '../core/refusal.ts';
import { isOutage } from '../store/outage.ts';
import { sqlState } from '../store/transaction.ts';

/** Retried to the end and still in somebody's way: deadlock, serialization failure, lock timeout; statement timeout. */
const IN_THE_WAY: ReadonlySet<string | null> = new Set(['40P01', '40001', '55P03', '57014']);

/** The refusal that an error of the database amounts to; null: it is none of that, but a bug. */
export const outageRefusal = (error: unknown): Refusal | null => {
  if (isOutage(error)) {
    return new Refusal(
      'UNAVAILABLE',
      'DATABASE_AWAY',
      'The farm cannot reach its database just now, and is trying to. Send the request again in a moment.',
    );
  }
  if (IN_THE_WAY.has(sqlState(error))) {
    return new Refusal(
      'UNAVAILABLE',
      'DATABASE_BUSY',
      'The database is too busy with others just now, so nothing was changed. Send the request again in a moment.',
    );
  }
  return null;
};
