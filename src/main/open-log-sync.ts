/** The rsync daemon beside the factory door: one a host, whatever the number of its workers. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, isLoopback } from '../config.ts';
import type { Log } from '../log.ts';
import { processClock } from '../process-clock.ts';
import { keepRsyncDaemon } from '../uploads/rsync-daemon.ts';
import type { Undo } from './undo.ts';

/** The original's: what DUTs are told where nothing else is configured. */
const LOG_PORT_OFFSET = 4;

export const openLogSync = async (config: Config, log: Log, undo: Undo): Promise<void> => {
  const { factory: door, iKnowThatAnyoneOnThisNetworkCanFalsifyResults: isTrusted } = config.doors;
  const { rsync: program, logPort, folder: named } = config.factory;
  if (door === null || program === 'none' || (door.port === 0 && logPort === null)) return;
  const address = { host: door.host, port: logPort ?? door.port + LOG_PORT_OFFSET };
  if (!isLoopback(address.host) && !isTrusted) {
    log.warn(
      address,
      'rsync has neither TLS nor credentials, so no daemon is run on an address that others reach: see factory.rsync',
    );
    return;
  }
  const folder = named ?? join(config.data, 'factory');
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const limits = config.limits.logSync;
  const daemon = await keepRsyncDaemon({
    ...{ program, address, folder, limits, log },
    clock: processClock,
    random: Math.random,
  });
  undo.push(() => daemon.stop());
};
