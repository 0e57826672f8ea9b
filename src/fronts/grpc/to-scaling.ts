/** From a ScaledObject's metadata to what the farm is asked: which bots are to be scaled, for which work, how many a bot. */
import type { Properties } from '../../core/match.ts';
import { canonicalProperties } from '../../core/match.ts';
import { invalid, type Refusal } from '../../core/refusal.ts';
import type { DemandAsked } from '../../farm/demand-book.ts';
import type { ScaledObjectRef } from '../../gen/externalscaler/externalscaler.ts';

export type Scaling = {
  readonly asked: DemandAsked;
  readonly jobsPerBot: number;
  /** One bot more for every so many seconds that the oldest job has waited. Null: age does not count. */
  readonly oldestAgeSeconds: number | null;
};

const OWN_KEYS = ['instance', 'station', 'bots', 'properties', 'jobsPerBot', 'oldestAgeSeconds'] as const;
type OwnKey = (typeof OWN_KEYS)[number];
/** By these KEDA finds the scaler; it sends them along. */
const KEDAS_KEYS: ReadonlySet<string> = new Set([
  'scalerAddress',
  'enableTLS',
  'unsafeSsl',
  'caCert',
  'tlsCertFile',
  'tlsClientCert',
  'tlsClientKey',
]);
/** KEDA has put the variable's value there, and left the ending. */
const FROM_ENV = /FromEnv$/;

/** @throws Refusal INVALID that names the key. */
export const toScaling = ({ scalerMetadata }: Pick<ScaledObjectRef, 'scalerMetadata'>): Scaling => {
  const given = toGiven(scalerMetadata);
  const instance = given.get('instance');
  if (instance === undefined)
    throw wrong('it says no `instance`. Name one of the farm; the one without a name is instance: "".');
  return {
    asked: {
      instance,
      station: given.get('station') ?? null,
      bots: given.get('bots') ?? null,
      properties: toProperties(given.get('properties')),
    },
    jobsPerBot: toPositive('jobsPerBot', given.get('jobsPerBot')) ?? 1,
    oldestAgeSeconds: toPositive('oldestAgeSeconds', given.get('oldestAgeSeconds')),
  };
};

/** The instance that is asked about, before anything else of it is judged; none: there is nothing to judge by. */
export const instancesOf = (ref: ScaledObjectRef | undefined): readonly string[] => {
  const { instance, instanceFromEnv = instance } = ref?.scalerMetadata ?? {};
  return instanceFromEnv === undefined ? [] : [instanceFromEnv];
};

const toGiven = (metadata: Readonly<Record<string, string>>): ReadonlyMap<OwnKey, string> => {
  const given = new Map<OwnKey, string>();
  for (const [key, value] of Object.entries(metadata)) {
    const name = key.replace(FROM_ENV, '');
    if (KEDAS_KEYS.has(name)) continue;
    const own = OWN_KEYS.find((each) => each === name);
    if (own === undefined)
      throw wrong(`there is no key ${JSON.stringify(key.slice(0, 100))}. There are ${OWN_KEYS.join(', ')}.`);
    if (given.has(own)) throw wrong(`\`${own}\` is there twice, by itself and from a variable. Keep one of the two.`);
    given.set(own, value);
  }
  return given;
};

/** `key=value,key=value`, as the bots of the fleet declare them. Null: nothing is said of them. */
const toProperties = (text: string | undefined): Properties | null => {
  if (text === undefined) return null;
  return canonicalProperties(
    text.split(',').map((pair): readonly [string, string] => {
      const at = pair.indexOf('=');
      const key = pair.slice(0, Math.max(0, at)).trim();
      if (key === '')
        throw wrong(
          `\`properties\` is no list such as "pool=smt,site=north": see ${JSON.stringify(pair.slice(0, 100))}.`,
        );
      return [key, pair.slice(at + 1).trim()];
    }),
  );
};

const toPositive = (key: OwnKey, text: string | undefined): number | null => {
  if (text === undefined) return null;
  const number = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (number > 0) return number;
  throw wrong(
    `\`${key}\` is ${JSON.stringify(text.slice(0, 100))}, and must be a number above 0, such as "1" or "2.5".`,
  );
};

const wrong = (what: string): Refusal =>
  invalid('SCALER_METADATA', `The metadata of the ScaledObject's trigger is not what this takes: ${what}`);
