/** /api/v1/instances/{instance}/units, and the short /api/v1/units for whoever has but a serial. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { checkStation } from '../../farm/check-station.ts';
import type { Farm } from '../../farm/farm.ts';
import { getUnit, type UnitEntry } from '../../farm/get-unit.ts';
import { toRedacted } from '../../wire/redact.ts';
import { asks, asksInQuery } from './admit-requests.ts';
import { instanceOf, pageQuery, readQuery } from './read.ts';
import { resultJson } from './results-json.ts';

const named = { name: z.string().nullable().default(null) };
const unitQuery = z.strictObject({ ...named, ...pageQuery });
const stationQuery = z.strictObject(named);
/** The empty instance is the only one of a farm that declares no lines. */
const inQuery = { instance: z.string().default('') };

type Params = { readonly instance: string; readonly serial: string; readonly station: string };

/** Under an instance. */
export const addUnits = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: Params }>('/units/:serial', asks('get-unit'), ({ params, query }) =>
    unitJson(farm, { instance: instanceOf(params), value: params.serial, ...readQuery(unitQuery, query) }),
  );
  app.get<{ Params: Params }>('/units/:serial/stations/:station', asks('check-station'), ({ params, query }) => {
    const { serial: value, station } = params;
    return checkStation(farm, { instance: instanceOf(params), value, station, ...readQuery(stationQuery, query) });
  });
};

/** The same beside the instances: the instance stands in the query. */
export const addShortUnits = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: Params }>('/units/:serial', asksInQuery('get-unit'), ({ params, query }) =>
    unitJson(farm, { value: params.serial, ...readQuery(unitQuery.extend(inQuery), query) }),
  );
  app.get<{ Params: Params }>('/units/:serial/stations/:station', asksInQuery('check-station'), ({ params, query }) => {
    const { serial: value, station } = params;
    return checkStation(farm, { value, station, ...readQuery(stationQuery.extend(inQuery), query) });
  });
};

const unitJson = async (farm: Farm, asked: Parameters<typeof getUnit>[1]) => {
  const { entries, ...unit } = await getUnit(farm, asked);
  return { ...unit, entries: toRedacted(entries).map(entryJson) };
};

const entryJson = (entry: UnitEntry) =>
  entry.kind === 'RESULT' ? { ...entry, result: { ...entry.result, result: resultJson(entry.result.result) } } : entry;
