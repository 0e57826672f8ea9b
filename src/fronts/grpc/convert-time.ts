/** Durations and times on the wire, and the milliseconds and dates they are everywhere else. */
import { invalid } from '../../core/refusal.ts';
import type { Duration } from '../../gen/google/protobuf/duration.ts';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.ts';

export const durationOf = (ms: number): Duration => {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
};

/** Unset stays unset. */
export const durationOrUnset = (ms: number | null): Duration | undefined => (ms === null ? undefined : durationOf(ms));

/** In whole milliseconds; null: unset. Whether it is too long is the farm's to say. */
export const msOf = (duration: Duration | undefined): number | null =>
  duration === undefined ? null : Math.round(Number(duration.seconds) * 1000 + duration.nanos / 1e6);

export const timestampOf = (at: Date): Timestamp => {
  const ms = at.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1e6 };
};

export const timestampOrUnset = (at: Date | null): Timestamp | undefined => (at === null ? undefined : timestampOf(at));

/** Neither google.protobuf.Timestamp nor RFC 3339 has others. */
const [FIRST_MS, LAST_MS] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')];

/** Null: no moment of the years 1 to 9999. */
export const dateOrNull = (timestamp: Timestamp): Date | null => {
  const ms = Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
  return ms >= FIRST_MS && ms <= LAST_MS ? new Date(ms) : null;
};

/** Null: unset. @throws Refusal INVALID for a moment outside the years 1 to 9999. */
export const dateOf = (what: string, timestamp: Timestamp | undefined): Date | null => {
  if (timestamp === undefined) return null;
  const at = dateOrNull(timestamp);
  if (at === null) throw invalid('TIME_OUT_OF_RANGE', `${what} is no moment of the calendar. Send a point in time.`);
  return at;
};
