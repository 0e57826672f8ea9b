/** Why a job that is being enqueued cannot run at once: what comes before it on its route, its DUT, its gate. */
import type { HeldBy } from '../core/job.ts';
import type { RouteMate } from '../store/enqueue.ts';
import { AWAITS_GATE } from './advance-route.ts';

export type Hold = { readonly heldBy: HeldBy; readonly heldReason: string };

/** A new job, as far as its hold depends on it. */
export type Held = {
  readonly id: number;
  readonly deviceId: number | null;
  readonly route: string | null;
  readonly gated: boolean;
};

/**
 * The holds of new jobs, in the order given; null: runnable. The strongest reason is the one told.
 *
 * A route is all jobs of one DUT under one name that have not ended. While one of them is held because a former one
 * stopped the route, a new one is held with it, for the same reason. When all have ended, however they did, the name is
 * free and a new job starts afresh: whoever enqueues after a bad end has seen it.
 * @param mates the jobs of these routes that have not ended, oldest first.
 */
export const holdsOf = (
  jobs: readonly Held[],
  mates: readonly RouteMate[],
  deviceHolds: ReadonlyMap<number, string>,
): (Hold | null)[] => {
  const last = new Map<string, { readonly id: number; readonly stopped: Hold | null }>();
  for (const mate of mates)
    last.set(routeKey(mate), { id: mate.id, stopped: stopOf(mate) ?? last.get(routeKey(mate))?.stopped ?? null });
  return jobs.map((job) => {
    const { id, deviceId, route } = job;
    const key = deviceId === null || route === null ? null : routeKey({ deviceId, route });
    const before = key === null ? undefined : last.get(key);
    if (key !== null) last.set(key, { id, stopped: before?.stopped ?? null });
    if (before !== undefined) {
      return before.stopped ?? { heldBy: 'ROUTE', heldReason: `waits for job ${before.id} of route ${route ?? ''}` };
    }
    const deviceHold = deviceId === null ? undefined : deviceHolds.get(deviceId);
    if (deviceHold !== undefined) return { heldBy: 'DEVICE', heldReason: `its DUT is held: ${deviceHold}` };
    return job.gated ? { heldBy: 'GATE_TURN', heldReason: AWAITS_GATE } : null;
  });
};

const routeKey = ({ deviceId, route }: { readonly deviceId: number; readonly route: string }): string =>
  `${deviceId} ${route}`;

const stopOf = ({ heldBy, heldReason }: RouteMate): Hold | null =>
  heldBy === 'ROUTE_STOPPED' ? { heldBy, heldReason: heldReason ?? '' } : null;
