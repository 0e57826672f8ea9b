/** A replica with a factory door looks after the folder behind it, leader or not: each host may have its own. */
import { adoptUploads } from '../farm/adopt-uploads.ts';
import type { FarmSeams } from '../farm/farm.ts';
import { measureUploads, tendUploads } from '../farm/tend-uploads.ts';
import type { Depot } from '../uploads/depot.ts';
import { clearLeftovers } from '../uploads/notes.ts';
import { ownMark } from '../uploads/process-mark.ts';
import type { Undo } from './undo.ts';

/** Puts on record, or removes, what a crash left there. */
export const clearFolder = async (farm: FarmSeams, depot: Depot): Promise<void> => {
  const cleared = await clearLeftovers(depot, {
    own: await ownMark(),
    now: farm.clock.now(),
    adopt: (found) => adoptUploads(farm, depot.id, found),
  });
  if (cleared.adopted + cleared.removed > 0)
    farm.log.info({ ...cleared, folder: depot.root }, 'uploads that a crash had cut off were put in order');
};

/** What the folder holds is measured beside the work: with millions of logs that takes minutes. */
export const tendFolder = (farm: FarmSeams, depot: Depot, undo: Undo): void => {
  const { clock, limits, log } = farm;
  const stopping = new AbortController();
  const folder = {
    id: depot.id,
    forgotten: depot.forgotten,
    measured: depot.measured,
    alone: <T>(path: string, work: () => Promise<T>): Promise<T> => depot.alone(path, () => work()),
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.warn({ err: error, folder: depot.root }, 'the folder of uploads could not be looked after; it is done again');
    }
  };
  const tend = async (): Promise<void> => {
    const gone = await tendUploads(farm, folder, stopping.signal);
    if (gone.names + gone.logs > 0) log.info({ ...gone, folder: depot.root }, 'uploads past their time were forgotten');
  };
  const isOver = (): boolean => stopping.signal.aborted;
  const go = async (): Promise<void> => {
    await attempt(() => measureUploads(farm, folder));
    while (!isOver()) {
      await clock.sleep(limits.uploads.checkMs, stopping.signal);
      if (!isOver()) await attempt(tend);
      // Where it cannot be seen that a process is dead, time tells, and it may be long until the next start.
      if (!isOver()) await attempt(() => clearFolder(farm, depot));
    }
  };
  const going = go();
  undo.push(async () => {
    stopping.abort();
    await going;
  });
};
