/** A replica with a factory door looks after the folder behind it, leader or not: each host may have its own. */
import type { Home } from '../farm/home.ts';
import { measureUploads, tendUploads } from '../farm/tend-uploads.ts';
import type { Depot } from '../uploads/depot.ts';
import type { Undo } from './undo.ts';

/** What the folder holds is measured beside the work: with millions of logs that takes minutes. */
export const tendFolder = (home: Home, depot: Depot, undo: Undo): void => {
  const { clock, limits, log } = home;
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
    const gone = await tendUploads(home, folder, stopping.signal);
    if (gone.names + gone.logs > 0) log.info({ ...gone, folder: depot.root }, 'uploads past their time were forgotten');
  };
  const isOver = (): boolean => stopping.signal.aborted;
  const go = async (): Promise<void> => {
    await attempt(() => measureUploads(home, folder));
    while (!isOver()) {
      await clock.sleep(limits.uploads.checkMs, stopping.signal);
      if (!isOver()) await attempt(tend);
    }
  };
  const going = go();
  undo.push(async () => {
    stopping.abort();
    await going;
  });
};
