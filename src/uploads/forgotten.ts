/** Removes from the folder what the record has forgotten, and logs of DUTs that are as old. */
import { constants } from 'node:fs';
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath, codeOf, statOf, syncFolder } from './disk.ts';
import { CLOSED, LOGS } from './rsync-daemon.ts';

export type Forgotten = {
  /** A name that nobody has on record any more. */
  readonly name: (path: string) => Promise<void>;
  /** A content that nobody has on record any more. One that has a name all the same stays. */
  readonly content: (sha256: string) => Promise<void>;
  /** Logs that rsync has brought. Returns how many went, and what is left of them in bytes. */
  readonly logs: (olderThan: Date) => Promise<{ readonly removed: number; readonly leftBytes: number }>;
};

/** @param ownPath a path that is nobody else's, and is cleared after a crash. */
export const createForgotten = (root: string, ownPath: () => string): Forgotten => ({
  name: async (path) => {
    await rm(join(root, path), { force: true });
    await syncFolder(dirname(join(root, path))).catch(unlessAbsent);
  },
  content: async (sha256) => {
    const blob = join(root, blobPath(sha256));
    const own = ownPath();
    try {
      // Under a name of ours nobody can give it another: whoever wants to finds it gone, and has the bytes.
      await rename(blob, own);
    } catch (error) {
      unlessAbsent(error);
      return;
    }
    const isNamed = ((await statOf(own))?.nlink ?? 1) > 1;
    if (isNamed)
      await link(own, blob).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    await rm(own, { force: true });
    await syncFolder(dirname(blob));
  },
  logs: (olderThan) => clearLogs(join(root, LOGS), olderThan),
});

const unlessAbsent = (error: unknown): void => {
  if (codeOf(error) !== 'ENOENT') throw error;
};

const clearLogs = async (
  folder: string,
  olderThan: Date,
): Promise<{ readonly removed: number; readonly leftBytes: number }> => {
  let [removed, leftBytes] = [0, 0];
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    unlessAbsent(error);
    return [];
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const below = await clearLogs(path, olderThan);
      removed += below.removed;
      leftBytes += below.leftBytes;
    } else if (entry.isFile()) {
      const there = await stat(path).catch(() => null);
      if (there === null) continue;
      // rsync gives a log the time it has on the DUT, whose clock may be wrong: when it came counts.
      if (there.ctime < olderThan) {
        await rm(path, { force: true });
        removed += 1;
      } else leftBytes += there.size;
    }
  }
  return { removed, leftBytes };
};

/** Whether the rsync daemon takes logs. */
export const closeLogs = async (root: string, isClosed: boolean): Promise<void> => {
  if (!isClosed) return rm(join(root, CLOSED), { force: true });
  const file = await open(join(root, CLOSED), constants.O_WRONLY | constants.O_CREAT, 0o644);
  return file.close();
};
