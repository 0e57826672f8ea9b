/** From what the file says of a line to the farm's own `Line`. */
import type { Line, StationRule } from '../core/line.ts';
import { type Secret, withoutCredentials } from '../core/secret.ts';
import type { Limits } from '../core/limits.ts';
import type { Test } from '../core/station-work.ts';
import type { WrittenLine } from './schema.ts';

type Lined = {
  readonly instances: 'declared' | 'any';
  readonly lines: readonly WrittenLine[];
  readonly limits: Limits;
};
type WrittenRule = WrittenLine['stationDefaults'];
type WrittenStation = WrittenLine['stations'][number];

/**
 * The line of an instance; null when there is no such instance here. With `instances: any` an undeclared one is a line
 * without a shopfloor where any station goes.
 */
export const linesOf = (config: Lined): ((instance: string) => Line | null) => {
  const declared = new Map(config.lines.map((line) => [line.instance, toLine(line, config.limits)]));
  return (instance) =>
    declared.get(instance) ?? (config.instances === 'any' ? undeclared(instance, config.limits) : null);
};

/** The addresses of the shopfloors as they are called, credentials and all, by the addresses that lines show. */
export const shopfloorUrls = ({ lines }: Pick<Lined, 'lines'>): ReadonlyMap<string, Secret> =>
  new Map(
    lines.flatMap(({ shopfloor }) =>
      shopfloor === null ? [] : [[withoutCredentials(shopfloor.url.reveal()), shopfloor.url] as const],
    ),
  );

/** The station's own word, else the line's, else the farm's. */
const ruleOf = (station: string, own: WrittenRule, line: WrittenRule, limits: Limits): StationRule => ({
  station,
  mode: own.mode ?? line.mode ?? 'notify',
  lostAfterMs: own.lostAfter ?? line.lostAfter ?? limits.session.lostAfterMs,
  attemptsMax: own.attemptsMax ?? line.attemptsMax ?? limits.jobs.attemptsMax,
  waivable: new Set(own.waivable ?? line.waivable ?? []),
  notifyEnd: own.notifyEnd ?? line.notifyEnd ?? 'passed',
  taktMs: own.takt ?? line.takt ?? null,
  tests: [],
});

const testOf = ({ testId, handler, args }: WrittenStation['tests'][number]): Test => ({
  testId,
  run: { kind: 'handler', name: handler },
  args: args ?? null,
  timeoutMs: null,
});

/** `anyStation` carries no name of its own. */
const ANY = '';

const toLine = (line: WrittenLine, limits: Limits): Line => ({
  instance: line.instance,
  shopfloorUrl: line.shopfloor === null ? null : withoutCredentials(line.shopfloor.url.reveal()),
  stations: new Map(
    line.stations.map((station) => [
      station.name,
      { ...ruleOf(station.name, station, line.stationDefaults, limits), tests: station.tests.map(testOf) },
    ]),
  ),
  anyStation: ruleOf(ANY, {}, line.stationDefaults, limits),
  events: new Map(Object.entries(line.events)),
  actions: new Map(Object.entries(line.actions)),
  claims: line.claims,
});

const undeclared = (instance: string, limits: Limits): Line => ({
  instance,
  shopfloorUrl: null,
  stations: new Map(),
  anyStation: ruleOf(ANY, {}, {}, limits),
  events: new Map(),
  actions: new Map(),
  claims: [],
});
