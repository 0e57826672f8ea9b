/**
 * One process at a time writes into a file of the folder, whatever becomes of its connection to the database: a lock there ends
 * with the session, and a process that does not know of that yet would go on writing where another has written since.
 *
 * A lock is a file under `locks/`, made only where there is none, which names its holder. That of a process that is over
 * is removed, by one at a time: whoever removes it holds the lock of that removal, which is a lock like any other.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { Refusal } from '../core/refusal.ts';
import { codeOf, FILE_MODE } from './disk.ts';
import { isOver, ownMark, type ProcessMark } from './process-mark.ts';

export type FileLocks = {
  /** Runs the work while nobody else holds the lock of this file. @throws Refusal UNAVAILABLE when somebody holds it too long. */
  readonly alone: <T>(path: string, work: (stillMine: () => void) => Promise<T>) => Promise<T>;
};

export type FileLockSeams = {
  /** Where locks are: on the file system of the files. */
  readonly folder: string;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly limits: {
    readonly lockWaitMs: number;
    /** That of a process nobody can see from here counts as left behind after this; its holder writes for half of it at most. */
    readonly lockMs: number;
  };
};

type Holder = {
  /** Of this one taking of the lock. */
  readonly id: string;
  /** Null: it does not say, as where a crash cut its writing off. */
  readonly mark: ProcessMark | null;
};

const LOOK_MS = 20;
const RETRY_MS = 1000;

export const openFileLocks = async ({ folder, clock, newId, limits }: FileLockSeams): Promise<FileLocks> => {
  const own = await ownMark();
  /** Locks of holders that cannot be seen, and since when this process knows of each. */
  const unseen = new Map<string, { readonly id: string; readonly sinceMs: number }>();

  /** Ages are measured by whoever waits: clocks of two machines are never compared. */
  const isLeftBehind = async (lock: string, { id, mark }: Holder): Promise<boolean> => {
    const over = mark === null ? null : await isOver(mark, own);
    if (over !== null) return over;
    const known = unseen.get(lock);
    if (known?.id !== id) unseen.set(lock, { id, sinceMs: clock.monotonicMs() });
    return known?.id === id && clock.monotonicMs() - known.sinceMs >= limits.lockMs;
  };

  const remove = async (lock: string, id: string): Promise<void> => {
    if ((await holderOf(lock))?.id === id) await rm(lock, { force: true });
  };

  const alone = async <T>(lock: string, work: (stillMine: () => void) => Promise<T>): Promise<T> => {
    const id = newId();
    const beganMs = clock.monotonicMs();
    while (!(await take(lock, { id, mark: own }))) {
      const holder = await holderOf(lock);
      if (holder === null) continue;
      // A dead process takes nothing again, so that its lock is the same one for as long as nobody has removed it.
      if (await isLeftBehind(lock, holder)) await alone(`${lock}.after-${holder.id}`, () => remove(lock, holder.id));
      else if (clock.monotonicMs() - beganMs >= limits.lockWaitMs) throw held();
      else await clock.sleep(LOOK_MS);
    }
    unseen.delete(lock);
    const takenMs = clock.monotonicMs();
    try {
      return await work(() => {
        if (clock.monotonicMs() - takenMs >= limits.lockMs / 2) throw tooSlow();
      });
    } finally {
      await remove(lock, id);
    }
  };

  return { alone: (path, work) => alone(join(folder, createHash('sha256').update(path).digest('hex')), work) };
};

/** False: somebody has it. */
const take = async (lock: string, holder: Holder): Promise<boolean> => {
  const file = await open(lock, 'wx', FILE_MODE).catch((error: unknown) => {
    if (codeOf(error) === 'EEXIST') return null;
    throw error;
  });
  if (file === null) return false;
  try {
    await file.writeFile(JSON.stringify(holder));
    return true;
  } catch (error) {
    // It is ours and empty, as on a full disk: it must not keep others out.
    await rm(lock, { force: true });
    throw error;
  } finally {
    await file.close();
  }
};

/** Null: nobody holds it. */
const holderOf = async (lock: string): Promise<Holder | null> => {
  try {
    return toHolder(JSON.parse(await readFile(lock, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    if (!(error instanceof SyntaxError)) throw error;
  }
  try {
    const { ino, mtimeMs } = await stat(lock);
    return { id: `unsaid-${ino}-${mtimeMs}`, mark: null };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
};

/** This very program wrote it, whole or cut off: then it is no JSON. */
function toHolder(written: unknown): Holder {
  return written as Holder;
}

const held = () => {
  const words =
    'Another process of the farm is writing into this file and does not get on. Nothing was kept: send it again.';
  return new Refusal('UNAVAILABLE', 'UPLOAD_FILE_HELD', words, {}, RETRY_MS);
};

const tooSlow = () => {
  const words =
    'The disk took too long, and another process may write into this file. Nothing was kept: send it again.';
  return new Refusal('UNAVAILABLE', 'UPLOAD_FILE_HELD', words, {}, RETRY_MS);
};
