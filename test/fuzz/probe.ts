/**
 * Loaded into a process before its own program (`node --import`): tells its parent what only the process itself can know.
 * It speaks over the channel of `fork`, and holds the process up by nothing.
 */
import { setInterval } from 'node:timers';

/** As the parent reads it. */
export type Sample = {
  /** The most CPU time that the event loop's thread spent between two looks, in ms: how long it was deaf, less what others took. */
  readonly longestMs: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
};

/** Short against what is looked for, so that a turn of the loop is not hidden among others. */
const LOOK_MS = 2;

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

let lastMs = cpuMs();
let longestMs = 0;
const look = (): void => {
  const nowMs = cpuMs();
  longestMs = Math.max(longestMs, nowMs - lastMs);
  lastMs = nowMs;
};
setInterval(look, LOOK_MS).unref();

process.on('message', (asked: { readonly collect?: boolean }) => {
  look();
  if (asked.collect === true) globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const sample: Sample = { longestMs, heapBytes: heapUsed, rssBytes: rss };
  process.send?.(sample);
  longestMs = 0;
  lastMs = cpuMs();
});
process.channel?.unref();
