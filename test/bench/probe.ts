/** Loaded before a measured server: answers what the process uses. It adds the same to both sides of a comparison. */
import { performance } from 'node:perf_hooks';

export type Usage = {
  /** Of the process since its start, user and system. */
  readonly cpuMs: number;
  /** How long its event loop was busy since its start. */
  readonly loopMs: number;
  readonly rssBytes: number;
  /** Heap, buffers and all else that V8 and Node know of. */
  readonly heldBytes: number;
};

const collect = (): void => {
  // Twice: what the first finds to be finalised goes with the second.
  globalThis.gc?.();
  globalThis.gc?.();
};

process.on('message', (asked) => {
  const { user, system } = process.cpuUsage();
  const loopMs = performance.eventLoopUtilization().active;
  if (asked === 'held') collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  const usage: Usage = { cpuMs: (user + system) / 1000, loopMs, rssBytes: rss, heldBytes: heapUsed + external };
  process.send?.(usage);
});
// Being measured keeps nobody alive.
process.channel?.unref();
