/** The factory door, with the folder behind it; what a crash left there is put in order before the first call. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { CannotStart } from '../core/cannot-start.ts';
import type { Admission } from '../farm/admit.ts';
import { adoptUploads } from '../farm/adopt-uploads.ts';
import { type FactoryDoor, serveFactory } from '../fronts/factory/serve-factory.ts';
import type { Entrances } from '../listen/open-entrances.ts';
import { type Depot, openDepot } from '../uploads/depot.ts';
import { clearLeftovers } from '../uploads/notes.ts';
import type { OpenFarm } from './open-farm.ts';

/** Null: none is wanted. */
export const openFactory = async (
  config: Config,
  { home, metrics, ask, onBeat }: Pick<OpenFarm, 'home' | 'metrics' | 'ask' | 'onBeat'>,
  { admission, entrances }: { readonly admission: Admission; readonly entrances: Entrances },
): Promise<FactoryDoor | null> => {
  const { factory: address, names } = config.doors;
  if (address === null) return null;
  const { project, instance, logPort, messageLevel, folder, unanswered } = config.factory;
  const depot = await openFolder(folder ?? join(config.data, 'factory'), config);
  const cleared = await clearLeftovers(depot, {
    isAlive,
    adopt: (found) => adoptUploads(home, depot.id, found),
  });
  if (cleared.adopted + cleared.removed > 0)
    home.log.info({ ...cleared, folder: depot.root }, 'uploads that a crash had cut off were put in order');
  const showRoom = (): void => {
    // A disk that does not answer has room for nothing.
    depot.room().then(
      (bytes) => {
        metrics.factory.room(instance, bytes);
      },
      () => {
        metrics.factory.room(instance, 0);
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

  async function openFolder(root: string, { limits }: Config): Promise<Depot> {
    const { freeBytesMin } = limits.uploads;
    try {
      const { clock, newId, log } = home;
      return await openDepot({ root, freeBytesMin, limits: limits.uploads, newId, clock, pid: process.pid, log });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const words = `Uploads of DUTs cannot be kept in ${root}: ${why}. Make the folder writable, or name another by factory.folder.`;
      throw new CannotStart(words, { cause });
    }
  }
};

/** Of this machine. In a container one that is dead may have had our own number. */
const isAlive = (pid: number): boolean => {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};
