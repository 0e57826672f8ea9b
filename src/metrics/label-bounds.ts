/** The limits of every label whose values bots, schedulers or lines choose. */
import type { Line } from '../core/line.ts';
import { type Bounded, createBounded, OTHER } from './bounded.ts';

/** Reached only where `instances: any` lets callers invent names. */
const INSTANCES_MAX = 100;
/** Stations of all instances together; reached only where a line declares none. */
const STATIONS_MAX = 500;
/** Values of one property, all instances together. */
const PROPERTY_VALUES_MAX = 50;

export type LabelBounds = {
  readonly instance: (instance: string) => string;
  readonly work: (about: { readonly instance: string; readonly station: string }) => Work;
  /** The stations of the configuration. */
  readonly declared: readonly Work[];
  readonly propertyValue: (property: string, value: string) => string;
  /** Instances that have series; gauges show them at 0 rather than not at all. */
  readonly instances: () => readonly string[];
};

type Work = { readonly instance: string; readonly station: string };

/** What the configuration declares comes first, so that no stranger takes its room. */
export const createLabelBounds = (lines: readonly Line[]): LabelBounds => {
  const instances = createBounded(Math.max(INSTANCES_MAX, lines.length));
  const stations = createBounded(STATIONS_MAX + lines.reduce((sum, line) => sum + line.stations.size, 0));
  const values = new Map<string, Bounded>();
  const work = (about: Work): Work => {
    const instance = instances.admit(about.instance);
    return { instance, station: stations.admit(about.station, instance) };
  };
  const declared = lines.flatMap(({ instance, stations: named }) => {
    instances.admit(instance);
    return [...named.keys()].map((station) => work({ instance, station }));
  });
  return {
    instance: (instance) => instances.admit(instance),
    work,
    declared,
    propertyValue: (property, value) => {
      const known = values.get(property) ?? createBounded(PROPERTY_VALUES_MAX);
      values.set(property, known);
      return known.admit(value);
    },
    instances: () => instances.admitted(),
  };
};

/** The value if it is one of a closed list, in the words of its source; OTHER if it is none. */
export const oneOf = (known: readonly string[], value: unknown): string =>
  typeof value === 'string' && known.includes(value) ? value : OTHER;
