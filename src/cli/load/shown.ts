/** What an answer of the farm shows to a bot of a run. */
import { type Lease, LeaseState } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { numberOf } from './work.ts';

export type Offer = {
  readonly leaseId: string;
  /** The job's number in the run; null: somebody else's job. */
  readonly number: number | null;
};

export type Shown = {
  readonly states: ReadonlyMap<string, LeaseState>;
  /** A lease to start. */
  readonly offer: Offer | null;
};

export const NOTHING: Shown = { states: new Map(), offer: null };

export const shownOf = (leases: readonly Lease[], run: string): Shown => {
  if (leases.length === 0) return NOTHING;
  const pending = leases.find(({ state }) => state === LeaseState.PENDING);
  return {
    states: new Map(leases.map(({ id, state }) => [id, state])),
    offer: pending === undefined ? null : { leaseId: pending.id, number: numberOf(pending.payload, run) },
  };
};
