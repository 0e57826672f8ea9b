/** What the process knows of itself, read from memory when somebody scrapes. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Instruments } from './instruments.ts';

/** How many connections a pool has, how many of them do nothing, and how many callers wait for one. A `pg.Pool` is one. */
export type PoolCounts = { readonly totalCount: number; readonly idleCount: number; readonly waitingCount: number };

export type ProcessGauges = { readonly read: () => void; readonly close: () => void };

/** The loop is asked to be back this often; how much later it comes is its lag. */
const LAG_RESOLUTION_MS = 10;
const NS = 1e-9;

export const createProcessGauges = (m: Instruments, pool: PoolCounts, version: string): ProcessGauges => {
  const loop = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  loop.enable();
  m.stationgrid_build_info.set({ version, node: process.version }, 1);
  m.stationgrid_process_start_time_seconds.set(performance.timeOrigin / 1000);
  /** Before the first sample since the last scrape there is nothing to say, and the loop is not late. */
  const lag = (ns: number): number => (loop.count === 0 ? 0 : Math.max(0, ns * NS - LAG_RESOLUTION_MS / 1000));
  return {
    read: () => {
      m.stationgrid_event_loop_lag_seconds.set({ statistic: 'p50' }, lag(loop.percentile(50)));
      m.stationgrid_event_loop_lag_seconds.set({ statistic: 'p99' }, lag(loop.percentile(99)));
      m.stationgrid_event_loop_lag_seconds.set({ statistic: 'max' }, lag(loop.max));
      loop.reset();
      m.stationgrid_database_connections.set({ state: 'total' }, pool.totalCount);
      m.stationgrid_database_connections.set({ state: 'idle' }, pool.idleCount);
      m.stationgrid_database_waiting.set(pool.waitingCount);
      const { user, system } = process.cpuUsage();
      // A counter can only be added to; the system counts for us.
      m.stationgrid_process_cpu_seconds_total.reset();
      m.stationgrid_process_cpu_seconds_total.inc((user + system) / 1e6);
      const { rss, heapUsed, heapTotal } = process.memoryUsage();
      m.stationgrid_process_resident_memory_bytes.set(rss);
      m.stationgrid_process_heap_bytes.set({ state: 'used' }, heapUsed);
      m.stationgrid_process_heap_bytes.set({ state: 'reserved' }, heapTotal);
    },
    close: () => {
      loop.disable();
    },
  };
};
