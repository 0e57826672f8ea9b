/** The factory door, and the folder behind it, which is put in order before the first call. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { CannotStart } from '../core/cannot-start.ts';
import type { Admission } from '../farm/admit.ts';
import type { Home } from '../farm/home.ts';
import { type FactoryDoor, serveFactory } from '../fronts/factory/serve-factory.ts';
import type { Entrances } from '../listen/open-entrances.ts';
import { type Depot, openDepot } from '../uploads/depot.ts';
import type { OpenFarm } from './open-farm.ts';
import { clearFolder } from './tend-folder.ts';

/**
 * The folder of a factory door: what a process that is known to be dead left there is on record or gone; `tendFolder` sees to the rest.
 * Null: no such door is wanted.
 */
export const openFactoryFolder = async (config: Config, home: Home): Promise<Depot | null> => {
  if (config.doors.factory === null) return null;
  const depot = await openFolder(config.factory.folder ?? join(config.data, 'factory'), config, home);
  await clearFolder(home, depot);
  return depot;
};

const openFolder = async (root: string, { limits }: Config, { clock, newId, log }: Home): Promise<Depot> => {
  try {
    return await openDepot({ root, limits: limits.uploads, newId, clock, log });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const words = `Uploads of DUTs cannot be kept in ${root}: ${why}. Make the folder writable, or name another by factory.folder.`;
    throw new CannotStart(words, { cause });
  }
};

/** Null: none is wanted. */
export const openFactory = async (
  config: Config,
  { home, metrics, ask, onBeat }: Pick<OpenFarm, 'home' | 'metrics' | 'ask' | 'onBeat'>,
  given: { readonly depot: Depot | null; readonly admission: Admission; readonly entrances: Entrances },
): Promise<FactoryDoor | null> => {
  const { factory: address, names } = config.doors;
  const { depot, admission, entrances } = given;
  if (address === null || depot === null) return null;
  const { project, instance, logPort, messageLevel, unanswered } = config.factory;
  const showRoom = (): void => {
    // A disk that does not answer has room for nothing.
    const none = { left: 0, of: 0 };
    depot.room().then(
      (room) => {
        metrics.factory.room(instance, room);
      },
      () => {
        metrics.factory.room(instance, none);
      },
    );
  };
  showRoom();
  onBeat(showRoom);
  return serveFactory({
    farm: home,
    admission,
    address,
    // DUTs show no credentials, so that a name that was bent to point here needs none either.
    names,
    entrance: entrances.at('factory'),
    depot,
    counts: metrics.factory,
    project,
    instance,
    unanswered,
    ask,
    logPort,
    messageLevel,
    scheme: config.tls === null ? 'http' : 'https',
  });
};
