import type { Duration } from '../src/gen/google/protobuf/duration.ts';
import type { Timestamp } from '../src/gen/google/protobuf/timestamp.ts';

/** Milliseconds of a protobuf duration; null when it is unset or not positive, which means no limit wherever we read one. */
export const toMs = (duration: Duration | undefined): number | null => {
  if (duration === undefined) return null;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  return ms > 0 ? ms : null;
};

export const toDuration = (ms: number): Duration => {
  const whole = Math.floor(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1e3) * 1e3 };
};

export const toTimestamp = (at: Date): Timestamp => {
  const seconds = Math.floor(at.getTime() / 1000);
  return { seconds: BigInt(seconds), nanos: (at.getTime() - seconds * 1000) * 1e6 };
};
