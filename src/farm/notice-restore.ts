/**
 * The farm looks whether its database has lost commits: a backup was restored, or a standby promoted. If so, numbers of
 * jobs that may have been given away are passed over, and every bridge is paused until its people have compared notes
 * with their partner (resume-bridge.ts).
 */
import { causeOfRestore, JOB_IDS_SKIPPED } from '../core/restore.ts';
import {
  insertRestore,
  lockDatabaseMark,
  putEventsBehind,
  type Restore,
  writeDatabaseMark,
} from '../store/restores.ts';
import type { Queryable } from '../store/transaction.ts';

/**
 * In a transaction of its own. Of any number of replicas that look, the first one notices.
 * @param said an operator knows that it was restored, whatever the database looks like.
 * @returns null: nothing is lost, as far as can be seen.
 */
export const noticeRestore = async (
  db: Queryable,
  { said }: { readonly said: boolean } = { said: false },
): Promise<Restore | null> => {
  const { seen, now } = await lockDatabaseMark(db);
  const cause = said ? 'SAID' : causeOfRestore(seen, now);
  const restore = cause === null ? null : await insertRestore(db, cause, JOB_IDS_SKIPPED);
  if (restore !== null) await putEventsBehind(db);
  if (now !== null && now !== seen) await writeDatabaseMark(db, now);
  return restore;
};

/** On a session of the owner's, which has no limits of time: before a replica serves, and for an operator. */
export const noticeRestoreAlone = async (
  owner: Queryable,
  how?: { readonly said: boolean },
): Promise<Restore | null> => {
  await owner.query('begin');
  try {
    const restore = await noticeRestore(owner, how);
    await owner.query('commit');
    return restore;
  } catch (error) {
    await owner.query('rollback').catch(() => undefined);
    throw error;
  }
};

/** For whoever is to be told: the log of a replica, and the operator's terminal. */
export const RESTORE_WORDS =
  'the database has lost its newest commits: no shopfloor is told anything until its people have reconciled and resumed ' +
  '(docs/how-to/backup.md)';
