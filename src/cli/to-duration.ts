import type { Duration } from '../gen/google/protobuf/duration.ts';

/** Milliseconds as messages carry them. */
export const toDuration = (ms: number): Duration => ({
  seconds: BigInt(Math.trunc(ms / 1000)),
  nanos: Math.round((ms % 1000) * 1e6),
});
