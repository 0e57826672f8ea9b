/** A door as tests open it: plain, on loopback, with the limits of the farm. */
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { createDoorkeeper, type DoorWitness } from '../../src/listen/doorkeeper.ts';
import type { Entrance } from '../../src/listen/keep-door.ts';
import { wallClock } from './wall-clock.ts';

const nothing = (): void => undefined;
const unwatched: DoorWitness = { opened: nothing, closed: nothing, refused: nothing };

export function plainEntrance(limits: Limits['doors'] = defaultLimits.doors, witness = unwatched): Entrance {
  return { tls: null, keeper: createDoorkeeper({ limits, clock: wallClock, witness, behindProxy: false }) };
}
