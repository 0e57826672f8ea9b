/** Prometheus' view of a host with several workers, as its primary shows it: what they told, and what it counts itself. */
import { formatFor } from './accept.ts';
import type { MetricName } from './declare.ts';
import { createDoorCounts, createTlsCounts, type DoorCounts, type TlsCounts } from './door-counts.ts';
import { contentTypes, type Page, render } from './exposition.ts';
import { createFolded, type Folded } from './fold.ts';
import { createInstruments, familiesOf, pageOf } from './instruments.ts';
import { createProcessGauges } from './process-gauges.ts';

export type HostMetrics = Pick<Folded, 'heard' | 'gone'> & {
  readonly wanted: (workers: number) => void;
  readonly serving: (workers: number) => void;
  readonly died: () => void;
  /** For the door of operations, which is the primary's. */
  readonly door: (name: string) => DoorCounts;
  readonly tls: TlsCounts;
  readonly contentType: (accept: string | undefined) => string;
  /** The page of the whole host, by what was heard last. */
  readonly text: (accept: string | undefined) => Promise<string>;
  readonly close: () => void;
};

/** What the primary has of its own. Of all else an instrument that nothing sets would say 0, which would be a lie. */
const OWN: ReadonlySet<string> = new Set<MetricName>([
  'stationgrid_workers',
  'stationgrid_worker_deaths_total',
  'stationgrid_connections',
  'stationgrid_connections_refused_total',
  'stationgrid_tls_reload_failures_total',
  'stationgrid_event_loop_lag_seconds',
  'stationgrid_process_cpu_seconds_total',
  'stationgrid_process_resident_memory_bytes',
  'stationgrid_process_heap_bytes',
  'stationgrid_process_start_time_seconds',
  'stationgrid_build_info',
]);

export const createHostMetrics = (version: string): HostMetrics => {
  const instruments = createInstruments();
  const own = createProcessGauges(instruments, { totalCount: 0, idleCount: 0, waitingCount: 0 }, version);
  const { heard, gone, page } = createFolded();
  const ownPage = async (): Promise<Page> => {
    own.read();
    return Object.fromEntries(Object.entries(await pageOf(instruments)).filter(([name]) => OWN.has(name)));
  };
  return {
    heard,
    gone,
    wanted: (workers) => {
      instruments.stationgrid_workers.set({ state: 'wanted' }, workers);
    },
    serving: (workers) => {
      instruments.stationgrid_workers.set({ state: 'serving' }, workers);
    },
    died: () => {
      instruments.stationgrid_worker_deaths_total.inc();
    },
    door: (name) => createDoorCounts(instruments, name),
    tls: createTlsCounts(instruments),
    contentType: (accept) => contentTypes[formatFor(accept)],
    text: async (accept) => render(familiesOf(page(await ownPage())), formatFor(accept)),
    close: own.close,
  };
};
