/** externalscaler.ExternalScaler: how many bots are wanted, for KEDA. */
import { invalid, Refusal } from '../../core/refusal.ts';
import { createDemandBook } from '../../farm/demand-book.ts';
import type { Home } from '../../farm/home.ts';
import type { ExternalScalerService, ScaledObjectRef } from '../../gen/externalscaler/externalscaler.ts';
import type { HandlersOf } from './endpoints.ts';
import { type Scaling, toScaling } from './to-scaling.ts';

/** Jobs that wait for the fleet and those it has in hand; the target is what one bot is to have of them. */
const JOBS = 'stationgrid-jobs';
/** Seconds for which the oldest of those that wait has waited. */
const OLDEST_AGE = 'stationgrid-oldest-age-seconds';

/** @param closing aborts when the door closes: streams end then. */
export const createScaler = (home: Home, closing: AbortSignal): HandlersOf<ExternalScalerService> => {
  const book = createDemandBook(home);
  const { streamsMax } = home.limits.autoscaling;
  let streams = 0;
  return {
    isActive: async (ref) => ({ result: (await book.read(toScaling(ref).asked)).jobs > 0 }),
    streamIsActive: async function* (ref, { signal }) {
      const { asked } = toScaling(ref);
      if (streams >= streamsMax) throw tooManyStreams(streamsMax);
      streams += 1;
      try {
        let told: boolean | null = null;
        for await (const { jobs } of book.follow(asked, AbortSignal.any([signal, closing]))) {
          const result = jobs > 0;
          if (result !== told) yield { result };
          told = result;
        }
      } finally {
        streams -= 1;
      }
    },
    getMetricSpec: (ref) => Promise.resolve({ metricSpecs: targetsOf(toScaling(ref)).map(specOf) }),
    getMetrics: async ({ scaledObjectRef, metricName }) => {
      const scaling = toScaling(scaledObjectRef ?? NOTHING);
      const metric = targetsOf(scaling).find(({ name }) => name === metricName);
      if (metric === undefined) throw noSuchMetric(metricName);
      const { jobs, oldestSeconds } = await book.read(scaling.asked);
      const value = metric.name === JOBS ? jobs : oldestSeconds;
      return {
        metricValues: [{ metricName, metricValue: BigInt(Math.ceil(value)), metricValueFloat: value }],
      };
    },
  };
};

const NOTHING: ScaledObjectRef = { name: '', namespace: '', scalerMetadata: {} };

type Target = { readonly name: typeof JOBS | typeof OLDEST_AGE; readonly target: number };

const targetsOf = ({ jobsPerBot, oldestAgeSeconds }: Scaling): readonly Target[] => [
  { name: JOBS, target: jobsPerBot },
  ...(oldestAgeSeconds === null ? [] : [{ name: OLDEST_AGE, target: oldestAgeSeconds } as const]),
];

/** A KEDA that does not know the fraction reads the whole number. */
const specOf = ({ name, target }: Target) => ({
  metricName: name,
  targetSize: BigInt(Math.ceil(target)),
  targetSizeFloat: target,
});

const noSuchMetric = (name: string): Refusal =>
  invalid(
    'NO_SUCH_METRIC',
    `There is no metric ${JSON.stringify(name.slice(0, 100))} of this ScaledObject. GetMetricSpec lists what there is; ` +
      `${OLDEST_AGE} is there where its metadata has \`oldestAgeSeconds\`.`,
  );

const tooManyStreams = (streamsMax: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_SCALERS',
    `This replica already tells ${streamsMax} ScaledObjects of changes, which is its limit. ` +
      'Use a trigger of type `external`, which asks from time to time, or raise limits.autoscaling.streamsMax.',
  );
