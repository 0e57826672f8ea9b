/** Forgets uploads past their time, and measures what their folder holds. For whichever replica has the folder. */
import { readKnownPaths, lockUploads } from '../store/uploads.ts';
import { deleteOldUploads, readBytesOfDepot, readOldPaths, readUnnamed } from '../store/old-uploads.ts';
import { defaultLimits } from '../core/limits.ts';
import { isOutage } from '../store/outage.ts';
import { type FarmSeams, transact } from './farm.ts';

/** The folder, as far as this needs it. */
export type TendedFolder = {
  readonly id: string;
  readonly alone: <T>(path: string, work: () => Promise<T>) => Promise<T>;
  readonly forgotten: {
    readonly name: (path: string) => Promise<void>;
    readonly content: (sha256: string) => Promise<void>;
    readonly logs: (olderThan: Date) => Promise<{ readonly removed: number; readonly leftBytes: number }>;
  };
  /** So much is in it; where that is too much, or the disk is full, nothing more is taken. */
  readonly measured: (bytes: number) => Promise<void>;
};

/** The defaults: uploads are kept for ever, as many as the disk takes. */
const { keepDays: FOR_EVER_DAYS, folderBytesMax: NO_LIMIT_BYTES } = defaultLimits.uploads;
const isForEver = (keepDays: number): boolean => keepDays >= FOR_EVER_DAYS;

const DAY_MS = 24 * 60 * 60 * 1000;

/** Twice at once is as once. @returns how many names, and how many logs, went. */
export const tendUploads = async (
  farm: FarmSeams,
  folder: TendedFolder,
  signal: AbortSignal,
): Promise<{ readonly names: number; readonly logs: number }> => {
  const { keepDays, forgottenMax } = farm.limits.uploads;
  const old = { depot: folder.id, keepDays };
  const paths = isForEver(keepDays) ? [] : await readOldPaths(farm.pool, old, forgottenMax);
  let names = 0;
  for (const path of paths) {
    if (signal.aborted) break;
    if (await forgetIfItGoes(farm, folder, path)) names += 1;
  }
  const logs = await measure(farm, folder, new Date(farm.clock.now().getTime() - keepDays * DAY_MS));
  return { names, logs };
};

/** One that does not go, as where a person has put a folder in its place, keeps no other. */
const forgetIfItGoes = async (farm: FarmSeams, folder: TendedFolder, path: string): Promise<boolean> => {
  try {
    return await forget(farm, folder, path);
  } catch (error) {
    if (isOutage(error)) throw error;
    farm.log.warn({ err: error, path }, 'an upload past its time could not be forgotten; it is tried again');
    return false;
  }
};

/** Forgets nothing. */
export const measureUploads = async (farm: FarmSeams, folder: TendedFolder): Promise<void> => {
  await measure(farm, folder, new Date(0));
};

/** @returns how many logs went, which were older. */
const measure = async (farm: FarmSeams, folder: TendedFolder, olderThan: Date): Promise<number> => {
  const { keepDays, folderBytesMax } = farm.limits.uploads;
  if (isForEver(keepDays) && folderBytesMax >= NO_LIMIT_BYTES) {
    // Adding up takes as long as there is much, and where nothing is limited but by the disk nobody needs to know.
    await folder.measured(0);
    return 0;
  }
  const { removed, leftBytes } = await folder.forgotten.logs(olderThan);
  await folder.measured((await readBytesOfDepot(farm.pool, folder.id)) + leftBytes);
  return removed;
};

/** The name goes before the commit: one that is left on record without its file is found again. True: it went. */
const forget = async (farm: FarmSeams, folder: TendedFolder, path: string): Promise<boolean> => {
  const { id: depot, forgotten } = folder;
  const { keepDays } = farm.limits.uploads;
  const { contents, isGone } = await transact(farm, async (db) => {
    await lockUploads(db, depot, path);
    return folder.alone(path, async () => {
      const contents = await deleteOldUploads(db, { depot, keepDays }, path);
      const isGone = !(await readKnownPaths(db, depot, [path])).has(path);
      if (isGone) await forgotten.name(path);
      return { contents, isGone };
    });
  });
  for (const sha256 of await readUnnamed(farm.pool, depot, contents)) await forgotten.content(sha256);
  return isGone;
};
