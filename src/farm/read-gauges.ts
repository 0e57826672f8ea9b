/** The farm's gauges, for the tick to read now and then and never for a scrape. */
import * as store from '../store/gauges.ts';
import type { FarmSeams } from './farm.ts';

export type { FarmGauges } from '../store/gauges.ts';

/** They are read at every so manyth tick: flat in cost, but not free, and every replica reads them. */
export const GAUGES_EVERY_TICKS = 3;

/** @param instances those that the configuration declares; others are found by the jobs they had. */
export const readGauges = (farm: Pick<FarmSeams, 'pool'>, instances: readonly string[]): Promise<store.FarmGauges> =>
  store.readGauges(farm.pool, instances);
