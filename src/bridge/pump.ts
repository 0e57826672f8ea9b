/** The pump: empties the lanes into the shopfloors, in order, many lanes at once and one call at a time in each. */
import { afterCall, type Breaker, callsAllowed, closedBreaker } from '../core/breaker.ts';
import { traceparentOf } from '../core/trace.ts';
import { claimCalls } from '../farm/claim-calls.ts';
import type { Farm } from '../farm/farm.ts';
import { createGangway, type Gangway } from '../farm/gangway.ts';
import type { CallToSend } from '../farm/journal-heads.ts';
import { type CallRecorder, createCallRecorder } from '../farm/record-call.ts';
import { keptTraceId, sendSpan, traceField, traceOfSend } from '../farm/trace-job.ts';
import { renderCall } from './render-call.ts';
import type { Outcome, ShopfloorClient } from './shopfloor-client.ts';
import { takeAnswer } from './take-answer.ts';

export type PumpParts = {
  readonly farm: Farm;
  /** One for each shopfloor, by its URL as the configuration has it. */
  readonly createClient: (url: string) => Pick<ShopfloorClient, 'call' | 'close'>;
};

/** One shopfloor as the pump sees it now. */
export type ShopfloorState = {
  readonly url: string;
  /** `trying`: open, and one call is let through. */
  readonly breaker: 'closed' | 'open' | 'trying';
  /** Lanes worked on by this replica. */
  readonly lanes: number;
};

type Shopfloor = {
  readonly url: string;
  readonly client: Pick<ShopfloorClient, 'call' | 'close'>;
  breaker: Breaker;
  /** Monotonic ms when the breaker last closed; -Infinity: it was never open. */
  upSinceMs: number;
  lanes: number;
  /** Calls are let out as many at a time as it allows. */
  readonly through: Gangway;
  /** The last look took as many lanes as there was room for: there may be more. */
  hasMore: boolean;
};

/** A journalled call and the time, on this machine's monotonic clock, from which the lane is ours for `leaseMs`. */
type Due = { readonly call: CallToSend; readonly sinceMs: number; readonly streak: number };

/**
 * Lanes taken for each call that may be under way: while one lane's answer is being recorded, and its next call journalled,
 * the other's call has the shopfloor.
 */
const LANES_A_CALL = 2;
/** Calls of one lane in a row, before a lane that waits is let in. */
const STREAK_MAX = 64;
/** A look found due lanes, and got fewer than it had room for: another replica may only have been looking at the others. */
const LOOK_AGAIN_MS = 100;
/** How long calls under way may take once the pump is told to stop; then they are given up. */
const STOP_IN_FLIGHT_MS = 2_500;
/** How long recording what became of them may take after that. */
const STOP_RECORDING_MS = 1_000;

/** Null: it was answered. */
const failureOf = (outcome: Outcome): string | null => {
  if (outcome.kind === 'answered') return null;
  return outcome.kind === 'fault' ? outcome.text : outcome.why;
};

export class Pump {
  readonly #farm: Farm;
  readonly #createClient: PumpParts['createClient'];
  readonly #record: CallRecorder;
  readonly #shopfloors = new Map<string, Shopfloor>();
  readonly #working = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #givingUp = new AbortController();
  #looking: Promise<void> | null = null;
  #bell = new AbortController();
  #nextLookMs = 0;
  #unhear: () => void = () => undefined;

  constructor({ farm, createClient }: PumpParts) {
    this.#farm = farm;
    this.#createClient = createClient;
    this.#record = createCallRecorder(farm, renderCall);
  }

  start(): void {
    if (this.#looking !== null) return;
    this.#unhear = this.#farm.onWake((wake) => {
      if (wake.kind === 'lanes') this.#lookBy(this.#now());
    });
    this.#nextLookMs = this.#now();
    this.#looking = this.#lookOut();
  }

  /** Lets calls under way end, for a time, and lets the lanes go. */
  async stop(): Promise<void> {
    this.#unhear();
    this.#stopping.abort();
    this.#bell.abort();
    await this.#within(STOP_IN_FLIGHT_MS);
    this.#givingUp.abort();
    await this.#within(STOP_RECORDING_MS);
    for (const { client } of this.#shopfloors.values()) client.close();
  }

  state(): readonly ShopfloorState[] {
    return [...this.#shopfloors.values()].map(({ url, breaker, lanes }) => ({
      url,
      lanes,
      breaker: breaker.kind === 'closed' ? 'closed' : lanes > 0 && this.#now() >= breaker.tryAtMs ? 'trying' : 'open',
    }));
  }

  #now(): number {
    return this.#farm.clock.monotonicMs();
  }

  /** Looks for due lanes no later than then. */
  #lookBy(atMs: number): void {
    if (atMs >= this.#nextLookMs) return;
    this.#nextLookMs = atMs;
    this.#bell.abort();
  }

  async #lookOut(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const waitMs = this.#nextLookMs - this.#now();
      if (waitMs > 0) {
        await this.#farm.clock.sleep(waitMs, this.#bell.signal);
        this.#bell = new AbortController();
        continue;
      }
      this.#nextLookMs = this.#now() + this.#farm.limits.lanes.pollMs;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const sinceMs = this.#now();
    const room = new Map<string, number>();
    try {
      const calls = await claimCalls(this.#farm, renderCall, (url) => {
        const free = this.#roomOf(this.#shopfloor(url));
        room.set(url, free);
        return free;
      });
      for (const shopfloor of this.#shopfloors.values()) {
        const free = room.get(shopfloor.url);
        const taken = calls.filter(({ url }) => url === shopfloor.url).length;
        shopfloor.hasMore = free !== undefined && taken >= free;
        // A look that finds nothing due for a shopfloor does not ask for its room: with that one, this ends.
        if (free !== undefined && taken < free) this.#lookBy(this.#now() + LOOK_AGAIN_MS);
        // This look may have come in the place of the one that its breaker waits for, or have begun just before its time.
        const { breaker } = shopfloor;
        if (breaker.kind === 'open' && breaker.tryAtMs > sinceMs) this.#lookBy(breaker.tryAtMs);
      }
      for (const call of calls) this.#begin({ call, sinceMs, streak: 1 });
    } catch (error) {
      // What was taken in a commit whose answer was lost is taken again when its time is over.
      this.#farm.log.warn(
        { err: error },
        'the lanes could not be looked at; they are looked at again within limits.lanes.poll',
      );
    }
  }

  #roomOf({ breaker, lanes }: Shopfloor): number {
    const allowed = callsAllowed(breaker, this.#now(), LANES_A_CALL * this.#farm.limits.lanes.concurrentMax);
    return Math.max(0, allowed - lanes);
  }

  #shopfloor(url: string): Shopfloor {
    const known = this.#shopfloors.get(url);
    if (known !== undefined) return known;
    const fresh: Shopfloor = {
      url,
      client: this.#createClient(url),
      breaker: closedBreaker,
      upSinceMs: -Infinity,
      lanes: 0,
      through: createGangway(this.#farm.limits.lanes.concurrentMax),
      hasMore: false,
    };
    this.#shopfloors.set(url, fresh);
    return fresh;
  }

  #begin(first: Due): void {
    const shopfloor = this.#shopfloor(first.call.url);
    shopfloor.lanes += 1;
    const work = this.#empty(shopfloor, first)
      .catch((error: unknown) => {
        this.#farm.log.error(
          { err: error, call: first.call.id, ...traceField(first.call) },
          'a lane was dropped; it is taken again when its time is over',
        );
      })
      .finally(() => {
        shopfloor.lanes -= 1;
        this.#working.delete(work);
        if (shopfloor.hasMore) this.#lookBy(this.#now());
      });
    this.#working.add(work);
  }

  /** Sends a lane's calls one after another, as long as it is ours. */
  async #empty(shopfloor: Shopfloor, first: Due): Promise<void> {
    for (let due: Due | null = first; due !== null;) {
      const outcome = await this.#send(shopfloor, due);
      const goesOn = shopfloor.breaker.kind === 'closed' && due.streak < STREAK_MAX && !this.#stopping.signal.aborted;
      const { text, calls, devices } = this.#farm.limits;
      const answer = takeAnswer(outcome, {
        wordsBytesMax: text.reasonBytesMax,
        // Of what a DUT asked, all is kept: it is handed on from there.
        replyKeptBytesMax: due.call.said === null ? calls.replyKeptBytesMax : devices.recordBytesMax,
      });
      const sinceMs = this.#now();
      const upForMs = sinceMs - shopfloor.upSinceMs;
      const recorded = await this.#record({ call: due.call, ...answer, upForMs, goesOn }, this.#givingUp.signal);
      if (recorded.kind === 'let go' && (recorded.waitMs !== null || !goesOn)) {
        this.#lookBy(this.#now() + (recorded.waitMs ?? 0));
      }
      due = recorded.kind === 'next' ? { call: recorded.call, sinceMs, streak: due.streak + 1 } : null;
    }
  }

  #send(shopfloor: Shopfloor, due: Due): Promise<Outcome> {
    return shopfloor.through(async () => {
      const why = this.#reasonNotToSend(shopfloor, due);
      return why === null ? this.#call(shopfloor, due.call) : { kind: 'refused', why: `not sent: ${why}` };
    });
  }

  /** What has changed since the call was journalled; null: nothing that matters. */
  #reasonNotToSend({ breaker }: Shopfloor, { sinceMs }: Due): string | null {
    const { lanes, calls } = this.#farm.limits;
    const nowMs = this.#now();
    // A send that could outlast our ownership could meet the next owner's at the shopfloor (invariant 13).
    if (sinceMs + lanes.leaseMs - nowMs <= calls.timeoutMs) return 'the lane was not ours for long enough any more';
    if (callsAllowed(breaker, nowMs, 1) === 0) return 'other calls found the shopfloor away';
    if (this.#givingUp.signal.aborted) return 'this replica is stopping';
    return null;
  }

  async #call(shopfloor: Shopfloor, call: CallToSend): Promise<Outcome> {
    const { instance, method, body } = call;
    const startMs = this.#now();
    const trace = traceOfSend(this.#farm, call);
    const startedAt = trace && this.#farm.clock.now();
    const options = {
      ...{ idempotencyKey: call.id, signal: this.#givingUp.signal },
      ...(trace === null ? {} : { traceparent: traceparentOf(trace) }),
    };
    const outcome = await shopfloor.client.call(method, body, options);
    const wasOpen = shopfloor.breaker.kind === 'open';
    shopfloor.breaker = afterCall(shopfloor.breaker, outcome.kind, this.#now(), this.#farm.limits.breaker);
    if (shopfloor.breaker.kind === 'open') this.#lookBy(shopfloor.breaker.tryAtMs);
    else if (wasOpen) {
      shopfloor.upSinceMs = this.#now();
      this.#lookBy(shopfloor.upSinceMs);
    }
    this.#farm.witness.called({
      instance,
      method,
      outcome: outcome.kind,
      ms: this.#now() - startMs,
      traceId: keptTraceId(call),
    });
    if (trace !== null && startedAt !== null) {
      const sent = { startedAt, endedAt: this.#farm.clock.now(), outcome: outcome.kind, failure: failureOf(outcome) };
      this.#farm.tracer?.ended(sendSpan(call, trace, sent));
    }
    return outcome;
  }

  /** Until nothing is under way, or the time is over. */
  async #within(ms: number): Promise<void> {
    const timer = new AbortController();
    const ended = (async (): Promise<void> => {
      await this.#looking;
      await Promise.all(this.#working);
    })();
    await Promise.race([ended, this.#farm.clock.sleep(ms, timer.signal)]);
    timer.abort();
  }
}
