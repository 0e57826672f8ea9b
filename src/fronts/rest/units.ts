/** /api/v1/instances/{instance}/units, and the short /api/v1/units for whoever has but a serial. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { checkStation } from '../../farm/check-station.ts';
import type { Farm } from '../../farm/farm.ts';
import { getUnit, type UnitEntry } from '../../farm/get-unit.ts';
import { toRedacted } from '../../wire/redact.ts';
import { asks, asksInQuery } from './admit-requests.ts';
import { instanceOf, pageQuery, readQuery } from './read.ts';
import { json } from './shape.ts';
import { stationCheck } from './shapes/job.ts';
import { unit } from './shapes/unit.ts';
import { resultJson } from './results-json.ts';

const named = { name: z.string().nullable().default(null) };
const unitQuery = z.strictObject({ ...named, ...pageQuery });
const stationQuery = z.strictObject(named);
/** The empty instance is the only one of a farm that declares no lines. */
const inQuery = { instance: z.string().default('') };
const shortUnitQuery = unitQuery.extend(inQuery);
const shortStationQuery = stationQuery.extend(inQuery);

const UNIT_SAYS = 'Tells what became of a unit, oldest first.';
const STATION_SAYS = 'Says whether a unit may run a station now, and why not.';

type Params = { readonly instance: string; readonly serial: string; readonly station: string };

/** Under an instance. */
export const addUnits = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: Params }>(
    '/units/:serial',
    asks('get-unit', { says: UNIT_SAYS, query: unitQuery, gives: json(unit) }),
    ({ params, query }) =>
      unitJson(farm, { instance: instanceOf(params), value: params.serial, ...readQuery(unitQuery, query) }),
  );
  app.get<{ Params: Params }>(
    '/units/:serial/stations/:station',
    asks('check-station', { says: STATION_SAYS, query: stationQuery, gives: json(stationCheck) }),
    ({ params, query }) => {
      const { serial: value, station } = params;
      return checkStation(farm, { instance: instanceOf(params), value, station, ...readQuery(stationQuery, query) });
    },
  );
};

/** The same beside the instances: the instance stands in the query. */
export const addShortUnits = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: Params }>(
    '/units/:serial',
    asksInQuery('get-unit', { says: UNIT_SAYS, name: 'getUnitAnywhere', query: shortUnitQuery, gives: json(unit) }),
    ({ params, query }) => unitJson(farm, { value: params.serial, ...readQuery(shortUnitQuery, query) }),
  );
  app.get<{ Params: Params }>(
    '/units/:serial/stations/:station',
    asksInQuery('check-station', {
      says: STATION_SAYS,
      name: 'checkStationAnywhere',
      query: shortStationQuery,
      gives: json(stationCheck),
    }),
    ({ params, query }) => {
      const { serial: value, station } = params;
      return checkStation(farm, { value, station, ...readQuery(shortStationQuery, query) });
    },
  );
};

const unitJson = async (farm: Farm, asked: Parameters<typeof getUnit>[1]) => {
  const { entries, ...unit } = await getUnit(farm, asked);
  return { ...unit, entries: toRedacted(entries).map(entryJson) };
};

const entryJson = (entry: UnitEntry) =>
  entry.kind === 'RESULT' ? { ...entry, result: { ...entry.result, result: resultJson(entry.result.result) } } : entry;
