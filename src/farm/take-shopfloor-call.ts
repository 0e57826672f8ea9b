/**
 * A shopfloor call that a DUT makes by itself, through the factory door. This farm does not take them yet: it says so, rather
 * than answer for a shopfloor that has not heard of it.
 */
import { Refusal } from '../core/refusal.ts';
import type { FarmSeams } from './farm.ts';

export type TakenCall = {
  readonly instance: string;
  readonly method: string;
  /** Plain values, as the DUT gave them. */
  readonly params: readonly unknown[];
  /** An address. */
  readonly peer: string;
};

/** @throws Refusal NOT_OFFERED. */
export const takeShopfloorCall = (_farm: FarmSeams, { method }: TakenCall): Promise<never> =>
  Promise.reject(
    new Refusal(
      'NOT_OFFERED',
      'SHOPFLOOR_CALLS_NOT_TAKEN',
      `This farm does not take shopfloor calls here yet, so the shopfloor has not heard of this ${method}. ` +
        "Point the DUT's test list at the shopfloor itself.",
    ),
  );
