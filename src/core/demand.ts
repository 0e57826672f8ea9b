/** How many bots' worth of work there is for a fleet that is to be scaled: pure arithmetic over what was counted. */
import { type Constraint, type Properties, satisfies } from './match.ts';

/** What was counted of one instance, the fleet being the bots that a pattern names. */
export type DemandFacts = {
  /** Runnable jobs that any bot of the right properties may take, by what they ask for and their station. */
  readonly queued: readonly {
    readonly constraints: readonly Constraint[];
    readonly station: string;
    /** As far as they were counted. */
    readonly jobs: number;
    /** Of the oldest of those counted. */
    readonly oldestSeconds: number;
  }[];
  /** Leases in the hands of the fleet, by station. */
  readonly busy: readonly { readonly station: string; readonly leases: number }[];
  /** Room of the bots that are ready and not of the fleet, by what they declare. */
  readonly othersRoom: readonly { readonly properties: Properties; readonly room: number }[];
};

export type DemandOf = {
  /** Null: of any station. */
  readonly station: string | null;
  /** What each bot of the fleet declares; jobs that ask for more are not for it. Null: whatever is asked for. */
  readonly properties: Properties | null;
};

export type Demand = {
  /**
   * Jobs that the fleet has in hand, and those that wait and no idle bot outside it will take. Those in hand belong to
   * it: an autoscaler that saw the queue alone would take the bots away that have just emptied it.
   */
  readonly jobs: number;
  /** Of the oldest that waits for the fleet; 0: none does. */
  readonly oldestSeconds: number;
};

export const demandOf = (facts: DemandFacts, { station, properties }: DemandOf): Demand => {
  const isMeant = (each: { readonly station: string }): boolean => station === null || each.station === station;
  const room = facts.othersRoom.map((others) => ({ ...others }));
  let waiting = 0;
  let oldestSeconds = 0;
  for (const { constraints, jobs, ...queue } of facts.queued) {
    if (!isMeant(queue)) continue;
    if (properties !== null && !satisfies(properties, constraints)) continue;
    const left = jobs - taken(room, constraints, jobs);
    waiting += left;
    if (left > 0) oldestSeconds = Math.max(oldestSeconds, queue.oldestSeconds);
  }
  const inHand = facts.busy.filter(isMeant).reduce((sum, { leases }) => sum + leases, 0);
  return { jobs: inHand + waiting, oldestSeconds };
};

/** How many of the jobs the others take; their room shrinks by as many. */
const taken = (
  others: { readonly properties: Properties; room: number }[],
  constraints: readonly Constraint[],
  jobs: number,
): number => {
  let left = jobs;
  for (const other of others) {
    if (left === 0) break;
    if (!satisfies(other.properties, constraints)) continue;
    const some = Math.min(left, other.room);
    other.room -= some;
    left -= some;
  }
  return jobs - left;
};
