/** How many connections each address has, and how fast it makes new ones. */
import type { Limits } from '../core/limits.ts';
import { type Bucket, fullBucket, refilled, takeToken } from '../core/rate.ts';
import { partyOf } from './party.ts';

export type Party = {
  open: number;
  /** Of these, not yet through what the door asks of a connection. */
  unproved: number;
  arrivals: Bucket;
  /** Calls that came to nothing. */
  strays: Bucket;
  /** By the monotonic clock; it makes no new connection before. */
  shutOutUntilMs: number;
};

export type Objection =
  'connections of one address' | 'unproved of one address' | 'new of one address' | 'address shut out';

export type Parties = {
  readonly at: (address: string, nowMs: number) => Party;
  /** Null: one more may come, and is counted as an arrival. */
  readonly objection: (party: Party, nowMs: number) => Objection | null;
  /** Counts a call that came to nothing. @returns whether that was one too many: the address is shut out. */
  readonly stray: (party: Party, nowMs: number) => boolean;
};

/** Beyond so many, and once in so long, those are forgotten that are as good as new. */
const KEPT = 10_000;
const FORGET_EVERY_MS = 1_000;

export const createParties = (limits: Limits['doors']): Parties => {
  const rate = { perSecond: limits.newPerSecondMax, burst: limits.newBurst };
  const strayRate = { perSecond: limits.strayPerSecondMax, burst: limits.strayBurst };
  const parties = new Map<string, Party>();
  let forgottenMs = -Infinity;

  const isAsNew = ({ open, arrivals, strays, shutOutUntilMs }: Party, nowMs: number): boolean =>
    open === 0 &&
    shutOutUntilMs <= nowMs &&
    refilled(arrivals, nowMs, rate).tokens >= rate.burst &&
    refilled(strays, nowMs, strayRate).tokens >= strayRate.burst;

  const forgetQuiet = (nowMs: number): void => {
    forgottenMs = nowMs;
    for (const [name, party] of parties) if (isAsNew(party, nowMs)) parties.delete(name);
  };

  return {
    at: (address, nowMs) => {
      const name = partyOf(address);
      const known = parties.get(name);
      if (known !== undefined) return known;
      if (parties.size >= KEPT && nowMs - forgottenMs >= FORGET_EVERY_MS) forgetQuiet(nowMs);
      const party = {
        open: 0,
        unproved: 0,
        arrivals: fullBucket(rate, nowMs),
        strays: fullBucket(strayRate, nowMs),
        shutOutUntilMs: -Infinity,
      };
      parties.set(name, party);
      return party;
    },
    objection: (party, nowMs) => {
      if (party.shutOutUntilMs > nowMs) return 'address shut out';
      if (party.open >= limits.perAddressMax) return 'connections of one address';
      if (party.unproved >= limits.unprovedPerAddressMax) return 'unproved of one address';
      const { bucket, waitMs } = takeToken(party.arrivals, nowMs, rate);
      party.arrivals = bucket;
      return waitMs > 0 ? 'new of one address' : null;
    },
    stray: (party, nowMs) => {
      const { bucket, waitMs } = takeToken(party.strays, nowMs, strayRate);
      party.strays = bucket;
      if (waitMs > 0) party.shutOutUntilMs = nowMs + limits.shutOutMs;
      return waitMs > 0;
    },
  };
};
