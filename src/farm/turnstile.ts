/** How many calls one principal may begin, and have under way, on one replica: nobody takes the farm from the others. */
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';
import { type Bucket, fullBucket, refilled, takeToken } from '../core/rate.ts';
import { type Principal, principalName } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';

export type Turnstile = {
  /**
   * Counts a call that begins; what it returns ends it. Held calls count as one while they are held.
   * @throws Refusal LIMIT_REACHED, with the time after which it may come again.
   */
  readonly enter: (principal: Principal) => () => void;
};

type Entry = { bucket: Bucket; atOnce: number };

const outside = (): void => undefined;

export const createTurnstile = (clock: Clock, limits: Limits['principals']): Turnstile => {
  const rate = { perSecond: limits.callsPerSecond, burst: limits.burst };
  const entries = new Map<string, Entry>();

  /** Whoever calls nothing and has all its tokens back is as good as new. */
  const forgetQuiet = (nowMs: number): void => {
    for (const [name, { bucket, atOnce }] of entries) {
      if (atOnce === 0 && refilled(bucket, nowMs, rate).tokens >= rate.burst) entries.delete(name);
    }
  };

  const entryOf = (name: string, nowMs: number): Entry => {
    const known = entries.get(name);
    if (known !== undefined) return known;
    if (entries.size >= limits.rememberedMax) forgetQuiet(nowMs);
    if (entries.size >= limits.rememberedMax) throw tooManyPrincipals(limits.rememberedMax);
    const entry = { bucket: fullBucket(rate, nowMs), atOnce: 0 };
    entries.set(name, entry);
    return entry;
  };

  return {
    enter: (principal) => {
      // Where nobody has to say who calls, all would share one bucket.
      if (principal.kind === 'open' || principal.kind === 'nobody') return outside;
      const name = principalName(principal);
      const nowMs = clock.monotonicMs();
      const entry = entryOf(`${principal.kind} ${name}`, nowMs);
      if (entry.atOnce >= limits.callsAtOnceMax) throw tooManyAtOnce(name, limits.callsAtOnceMax);
      const { bucket, waitMs } = takeToken(entry.bucket, nowMs, rate);
      entry.bucket = bucket;
      if (waitMs > 0) throw tooFast(name, rate.perSecond, waitMs);
      entry.atOnce += 1;
      return () => {
        entry.atOnce -= 1;
      };
    },
  };
};

/** When a place may be free again: nobody knows, and this is soon enough to ask. */
const RETRY_MS = 1_000;

const tooFast = (name: string, perSecond: number, retryMs: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_CALLS',
    `${name} calls more often than ${perSecond} times a second, which is the limit of one caller. Call again after ${retryMs} ms, and less often.`,
    {},
    retryMs,
  );

const tooManyAtOnce = (name: string, callsMax: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_CALLS_AT_ONCE',
    `${name} has ${callsMax} calls under way on this replica, which is the limit of one caller. Let some end, or watch fewer things at once.`,
    {},
    RETRY_MS,
  );

const tooManyPrincipals = (rememberedMax: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_CALLERS',
    `This replica serves ${rememberedMax} different callers just now, which is its limit. Try again in a moment.`,
    {},
    RETRY_MS,
  );
