/** Appends what DUTs uploaded to one file, in the order in which it came, and records it in the same commit. */
import { insertUploads, lockUploads, readEndOfFile, readLastOfPeers, type UploadRow } from '../store/uploads.ts';
import { type FarmSeams, transact } from './farm.ts';

/** The file. */
export type AppendedFile = Pick<UploadRow, 'depot' | 'instance' | 'path'> & { readonly kind: 'EVENT_LOG' | 'CSV' };
export type Appended = Pick<UploadRow, 'id' | 'bytes' | 'sha256' | 'peer'>;

/**
 * So many times as long as a client's own resend may come late, the same piece of the same peer is one whose answer was lost: a
 * farm that was killed needs the time to start. Later it is the next row, which happens to be equal.
 */
const RESENDS = 8;

/**
 * Puts these, one behind the other, at `from` of the file, and nothing behind them, safely on disk. Returns where they begin,
 * which is elsewhere only when the file is shorter than the record says. May be asked again when the commit is.
 */
export type WriteAppends<T> = (from: number, kept: readonly T[]) => Promise<number>;

/**
 * What a peer appended last and soon sends again has no second effect: its answer was lost.
 * @param alone runs its work while no other process writes into the file. Where it ends is asked in there: the answer proves that
 * this session had the lock of the record until then, so that whoever appends next, our session lost or not, finds in the
 * file what we write now, or waits for it.
 * @returns for each, in order, whether it was kept or is such a repetition.
 */
export const appendUploads = <T extends Appended>(
  farm: FarmSeams,
  file: AppendedFile,
  appends: readonly T[],
  alone: (work: (write: WriteAppends<T>) => Promise<number>) => Promise<number>,
): Promise<readonly ('kept' | 'repeated')[]> => {
  const { depot, path } = file;
  return transact(farm, async (db) => {
    await lockUploads(db, depot, path);
    const peers = [...new Set(appends.map(({ peer }) => peer))];
    const last = await readLastOfPeers(db, depot, path, peers, RESENDS * farm.limits.factory.resendMs);
    const kept: T[] = [];
    const fates = appends.map((append) => {
      if (last.get(append.peer) === append.sha256) return 'repeated';
      last.set(append.peer, append.sha256);
      kept.push(append);
      return 'kept';
    });
    if (kept.length === 0) return fates;
    let startsAt = await alone(async (write) => write(await readEndOfFile(db, depot, path), kept));
    await insertUploads(
      db,
      kept.map(({ id, bytes, sha256, peer }) => {
        const row = { ...file, id, bytes, sha256, peer, startsAt, serial: null, stage: null, reportName: null };
        startsAt += bytes;
        return { ...row, adopted: false };
      }),
    );
    return fates;
  });
};
