/** The one place that constructs and connects: a replica of the farm, or a host of several. Its parts are in main/. */
import type { Config } from './config.ts';
import { createLog, type Log } from './log.ts';
import { openPool, prepareDatabase } from './main/open-database.ts';
import { hearReplace } from './main/hear-replace.ts';
import { type Doors, openDoors } from './main/open-doors.ts';
import { openFarm } from './main/open-farm.ts';
import { openLogSync } from './main/open-log-sync.ts';
import { ownOperations } from './main/own-operations.ts';
import { type PrimaryParts, servePrimary } from './main/serve-primary.ts';
import { stopOn, type Undo, unwind } from './main/undo.ts';

export { serveWorker } from './main/serve-worker.ts';
export { workerNumber } from './workers/fork.ts';

export type Serving = Doors & {
  /** Resolves when the farm has stopped in good order; rejects when it had to, since no worker would start. */
  readonly stopped: Promise<void>;
};

/**
 * Serves until the signal aborts.
 * @throws CannotStart (exit 78) when the configuration, the machine or the database must be changed first.
 */
export const serve = (config: Config, parts: Omit<PrimaryParts, 'log' | 'replace'>): Promise<Serving> => {
  const log = createLog(config.log);
  const replace = hearReplace(log);
  // A log whose reader has died must not take the farm with it.
  process.stderr.on('error', () => undefined);
  return config.workers === 1
    ? serveAlone(config, log, parts.signal)
    : servePrimary(config, { ...parts, log, replace });
};

const serveAlone = async (config: Config, log: Log, signal: AbortSignal): Promise<Serving> => {
  const undo: Undo = [];
  try {
    const url = await prepareDatabase(config, log, undo);
    const pool = await openPool(url, config, log, undo);
    const farm = await openFarm(config, log, { url, pool, undo });
    await openLogSync(config, log, undo);
    const doors = await openDoors(config, farm, { operations: ownOperations(farm), undo });
    log.info({ ...doors, replica: farm.home.replica }, 'the farm serves');
    return { ...doors, stopped: stopOn(signal, log, undo) };
  } catch (error) {
    await unwind(log, undo);
    throw error;
  }
};
