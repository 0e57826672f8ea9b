/** Prometheus' view of one replica: everything that counts, and the page that a scrape is answered with. */
import type { Line } from '../core/line.ts';
import type { Witness } from '../farm/farm.ts';
import { formatFor } from './accept.ts';
import { createDoorCounts, createTlsCounts, type DoorCounts, type TlsCounts } from './door-counts.ts';
import { contentTypes, type Page, render } from './exposition.ts';
import { createFactoryCounts, type FactoryCounts } from './factory-counts.ts';
import { createGrpcCalls, type GrpcCalls } from './grpc-calls.ts';
import { beginAtZero } from './begin-at-zero.ts';
import { createInstruments, familiesOf, pageOf } from './instruments.ts';
import { createLabelBounds } from './label-bounds.ts';
import { createLeadCounts, type LeadCounts } from './lead-counts.ts';
import { createProcessGauges, type PoolCounts } from './process-gauges.ts';
import { createTickGauges, type TickGauges } from './tick-gauges.ts';
import { createWitness } from './witness.ts';

export type MetricsParts = {
  /** Of StationGrid, as it is released. */
  readonly version: string;
  /** What the configuration declares; other instances and stations get series as they are met, up to a limit. */
  readonly lines: readonly Line[];
  /** Bot properties that become labels (configuration: metrics.propertyLabels). */
  readonly propertyLabels: readonly string[];
  /** The replica's pool, whose counts are read at a scrape. A `pg.Pool` is one. */
  readonly pool: PoolCounts;
  /** Connections that it may have. */
  readonly poolMax: number;
};

export type Metrics = {
  /** For `FarmSeams.witness`. */
  readonly witness: Witness;
  /** For the gRPC door. */
  readonly grpc: GrpcCalls;
  /** For one door, by its name. */
  readonly door: (name: string) => DoorCounts;
  readonly tls: TlsCounts;
  /** For the leader's duties. */
  readonly lead: LeadCounts;
  /** For the factory door. */
  readonly factory: FactoryCounts;
  /** For the tick. */
  readonly gauges: TickGauges;
  /** @param accept the request's Accept header; undefined: it has none. */
  readonly contentType: (accept: string | undefined) => string;
  /** The page, in the format that `contentType` names for the same header. Runs no SQL. */
  readonly text: (accept: string | undefined) => Promise<string>;
  /** What `text` shows, for who adds it to that of others. */
  readonly page: () => Promise<Page>;
  /** Stops the watch over the event loop. */
  readonly close: () => void;
};

export const createMetrics = ({ version, lines, propertyLabels, pool, poolMax }: MetricsParts): Metrics => {
  const instruments = createInstruments();
  const bounds = createLabelBounds(lines);
  const own = createProcessGauges(instruments, pool, version);
  for (const { instance, stations } of lines) {
    instruments.stationgrid_polls_parked.set({ instance }, 0);
    for (const { station, taktMs } of stations.values()) {
      if (taktMs !== null) instruments.stationgrid_station_takt_seconds.set({ instance, station }, taktMs / 1000);
    }
  }
  instruments.stationgrid_database_connections_max.set(poolMax);
  beginAtZero(instruments, bounds);
  instruments.stationgrid_workers.set({ state: 'wanted' }, 1);
  instruments.stationgrid_workers.set({ state: 'serving' }, 1);
  const page = (): Promise<Page> => {
    own.read();
    return pageOf(instruments);
  };
  return {
    witness: createWitness(instruments, bounds),
    grpc: createGrpcCalls(instruments),
    door: (name) => createDoorCounts(instruments, name),
    tls: createTlsCounts(instruments),
    lead: createLeadCounts(instruments),
    factory: createFactoryCounts(instruments),
    gauges: createTickGauges(instruments, bounds, propertyLabels),
    contentType: (accept) => contentTypes[formatFor(accept)],
    text: async (accept) => render(familiesOf(await page()), formatFor(accept)),
    page,
    close: own.close,
  };
};
