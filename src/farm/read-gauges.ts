/** The farm's gauges, for the tick to read now and then and never for a scrape. */
import { createFootingReader, type Footing } from '../store/footing.ts';
import * as store from '../store/gauges.ts';
import type { TickAnswer } from '../store/tick.ts';
import type { FarmSeams } from './farm.ts';
import type { Home } from './home.ts';
import { readWaits, type Waits } from './read-waits.ts';

export type { Footing } from '../store/footing.ts';
export type { FarmGauges } from '../store/gauges.ts';
export type { Waits } from './read-waits.ts';

/** All that is read now and then, one statement after another. */
export type Reading = { readonly gauges: store.FarmGauges; readonly waits: Waits; readonly footing: Footing };

/** They are read at every so manyth tick: flat in cost, but not free, and every replica reads them. */
export const GAUGES_EVERY_TICKS = 3;

/** @param instances those that the configuration declares; others are found by the jobs they had. */
export const readGauges = (farm: Pick<FarmSeams, 'pool'>, instances: readonly string[]): Promise<store.FarmGauges> =>
  store.readGauges(farm.pool, instances);

export const createReader = (home: Home, instances: readonly string[]): ((answer: TickAnswer) => Promise<Reading>) => {
  const readFooting = createFootingReader();
  return async (answer) => ({
    gauges: await readGauges(home, instances),
    waits: await readWaits(home, answer),
    footing: await readFooting(home.pool),
  });
};
