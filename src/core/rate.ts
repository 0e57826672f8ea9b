/** How often somebody may call: a token bucket, as a value. */

export type Rate = {
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens that the bucket holds: what may be taken at once after a quiet time. At least 1. */
  readonly burst: number;
};

/** `atMs`: when there were so many tokens, by the monotonic clock of one process. */
export type Bucket = { readonly tokens: number; readonly atMs: number };

export const fullBucket = ({ burst }: Rate, nowMs: number): Bucket => ({ tokens: burst, atMs: nowMs });

/** With what has come back by now. */
export const refilled = ({ tokens, atMs }: Bucket, nowMs: number, { perSecond, burst }: Rate): Bucket => ({
  tokens: Math.min(burst, tokens + (Math.max(0, nowMs - atMs) / 1000) * perSecond),
  atMs: nowMs,
});

/** @returns the bucket after it; `waitMs` 0: one was taken, otherwise none was, and the next is there after so long. */
export const takeToken = (
  bucket: Bucket,
  nowMs: number,
  rate: Rate,
): { readonly bucket: Bucket; readonly waitMs: number } => {
  const { tokens, atMs } = refilled(bucket, nowMs, rate);
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, atMs }, waitMs: 0 };
  return { bucket: { tokens, atMs }, waitMs: Math.ceil(((1 - tokens) / rate.perSecond) * 1000) };
};
