/** The replica leaves: no new work, parked polls answered, writes finished (R-OPS-1). Sessions stay open for its peers. */
import { forgetReplica } from '../store/tick.ts';
import type { Home } from './home.ts';

export const stopHome = async (home: Home): Promise<void> => {
  home.stopping = true;
  for (const session of home.sessions.byName.values()) session.parked?.end('shutdown');
  await home.settled();
};

/** The last word of a replica that has stopped: its sessions need not wait for its silence. */
export const leaveFarm = (home: Home): Promise<void> => forgetReplica(home.pool, home.replica);
