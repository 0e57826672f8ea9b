/** Lists the drains that are in force in an instance, oldest first. Their number is bounded (limits.bots.drainRulesMax). */
import { type DrainRow, readDrains } from '../store/drains.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';

/** @throws Refusal INVALID for an unknown instance. */
export const listDrains = async (farm: Farm, instance: string): Promise<readonly DrainRow[]> => {
  lineFor(farm, instance);
  return readDrains(farm.pool, instance);
};
