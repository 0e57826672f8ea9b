/** A replica takes due lanes and the calls at their heads, to send them. */
import { claimLanes, readLaneInstances } from '../store/lanes.ts';
import { readHeads, settleAbandonedSends } from '../store/shopfloor-calls.ts';
import type { Queryable } from '../store/transaction.ts';
import { type FarmSeams, transact } from './farm.ts';
import { type CallToSend, journalHeads, type Render } from './journal-heads.ts';

/**
 * The calls come back journalled, in one commit. Each is to be sent, and `recordCalls` told how it ended, before
 * `lanes.leaseMs` after this was asked for is over.
 * @param roomOf how many lanes more a shopfloor may be worked on at once, by its URL.
 */
export const claimCalls = async (
  farm: FarmSeams,
  render: Render,
  roomOf: (url: string) => number,
): Promise<readonly CallToSend[]> => {
  const wanted = wantedLanes(farm, await readLaneInstances(farm.pool), roomOf);
  if (wanted.length === 0) return [];
  const { calls, abandoned } = await transact(farm, (db) => claim(farm, db, render, wanted));
  for (const id of abandoned) {
    farm.log.warn({ call: id }, 'a shopfloor call is sent again: its former sender went away before it could say');
  }
  return calls;
};

type Wanted = { readonly instances: readonly string[]; readonly lanes: number };

/** Instances by the shopfloor they tell; those without one wait until they have it again. */
const wantedLanes = (
  farm: FarmSeams,
  instances: readonly string[],
  roomOf: (url: string) => number,
): readonly Wanted[] => {
  const byUrl = new Map<string, string[]>();
  for (const instance of instances) {
    const url = farm.lineOf(instance)?.shopfloorUrl ?? null;
    if (url === null) continue;
    const mates = byUrl.get(url);
    if (mates === undefined) byUrl.set(url, [instance]);
    else mates.push(instance);
  }
  return [...byUrl].map(([url, mates]) => ({ instances: mates, lanes: roomOf(url) })).filter(({ lanes }) => lanes > 0);
};

const claim = async (
  farm: FarmSeams,
  db: Queryable,
  render: Render,
  wanted: readonly Wanted[],
): Promise<{ readonly calls: readonly CallToSend[]; readonly abandoned: readonly string[] }> => {
  const lanes = await claimLanes(db, { replica: farm.replica, leaseMs: farm.limits.lanes.leaseMs }, wanted);
  if (lanes.length === 0) return { calls: [], abandoned: [] };
  const heads = await readHeads(
    db,
    lanes.map(({ deviceId }) => deviceId),
  );
  // Whoever let its lane go has settled its sends; one that is open was left behind.
  const abandoned = await settleAbandonedSends(
    db,
    heads.flatMap(({ head }) => (head.sends > 0 ? [head.id] : [])),
  );
  return { calls: await journalHeads(farm, db, render, lanes, heads), abandoned };
};
