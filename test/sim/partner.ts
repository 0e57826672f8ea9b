/**
 * The partner's side: it reads the very bytes that the bridge rendered, keeps a journal of its own, and answers in bytes
 * that the bridge's own code reads. Only the socket between them is simulated, and with it what may befall a call.
 */
import { createHash } from 'node:crypto';
import { outcomeOf, type Outcome, type ShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { repliesSchema, replyTo } from '../../src/reference-shopfloor/replies.ts';
import { serialsOf, type ShopfloorCall, toShopfloorCall } from '../../src/reference-shopfloor/shopfloor-method.ts';
import { createXmlRpcReader, decodeCall, encodeFault, encodeResponse } from '../../src/wire/xml-rpc.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { PartnerMood } from './weather.ts';
import type { World } from './world.ts';

/** A call as the partner met it, in its own order. */
export type Met = {
  readonly atMs: number;
  readonly key: string;
  readonly bodyHash: string;
  readonly replica: string;
  /** The unit's main board; what a lane is to the partner. */
  readonly board: string;
  readonly method: string;
  readonly station: string | null;
  readonly testId: string | null;
  readonly status: string | null;
  readonly isApplied: boolean;
  /** Of the fault that was answered; null: none. */
  readonly faultCode: number | null;
  /** When the answer left; null: it never did. */
  answeredMs: number | null;
};

const WAY_MS = [0.5, 5] as const;
const SLOW_MS = [2_000, 15_000] as const;
/** Shares of gate questions that are refused, whatever the weather. */
const GATE_REFUSED_RATE = 0.1;
const { timeoutMs } = defaultLimits.calls;

export class Partner {
  readonly journal: Met[] = [];
  readonly #world: World;
  readonly #prng: Prng;
  readonly #replies = repliesSchema.parse({});
  /** What was said of a key is said again. */
  readonly #refusedKeys = new Map<string, boolean>();
  /** By unit: the call that is under way. One whose sender died or stopped is, until its time is over. */
  readonly #underWay = new Map<string, { readonly met: Met; readonly untilMs: number }>();

  constructor(world: World) {
    this.#world = world;
    this.#prng = world.prng.split('partner');
  }

  /** A replica's connection to it. The URL tells partners apart by name only. */
  clientOf(life: Life, url: string): Pick<ShopfloorClient, 'call' | 'close'> {
    return {
      call: (method, body, { idempotencyKey, signal }) =>
        new Promise((resolve) => {
          this.#exchange(life, { url, method, body, key: idempotencyKey, signal: signal ?? null }, resolve);
        }),
      close: () => undefined,
    };
  }

  #exchange(
    life: Life,
    call: { url: string; method: string; body: string; key: string; signal: AbortSignal | null },
    resolve: (outcome: Outcome) => void,
  ): void {
    const { time, trace, weather } = this.#world;
    const mood = this.#moodOf();
    let isSent = false;
    let over = false;
    let lane = '';
    const settle = (outcome: Outcome): void => {
      if (over) return;
      over = true;
      deadline.cancel();
      this.#underWay.delete(lane);
      call.signal?.removeEventListener('abort', giveUp);
      trace.add(life.name, `partner: ${call.method} = ${outcome.kind}${'why' in outcome ? ` (${outcome.why})` : ''}`);
      resolve(outcome);
    };
    const fail = (why: string): void => settle({ kind: isSent ? 'ambiguous' : 'refused', why });
    const giveUp = (): void => fail('the call was given up by the farm');
    const deadline = time.after(timeoutMs, () => life.deliver(() => fail(`no complete answer within ${timeoutMs} ms`)));
    call.signal?.addEventListener('abort', giveUp, { once: true });
    if (mood === 'refused') {
      time.after(1, () => life.deliver(() => fail('no connection (ECONNREFUSED)')));
      return;
    }
    if (weather.isCut(life.name, 'partner')) return;
    isSent = true;
    trace.add(life.name, `partner: ${call.method}`);
    time.after(this.#prng.between(...WAY_MS), () => {
      // Closing a connection takes the bytes on their way with it.
      if (over || life.isDead) return;
      lane = this.#meet(life, call, mood, (answer) => {
        if (weather.isCut('partner', life.name)) return;
        life.deliver(() =>
          answer === null ? fail('the connection was closed') : settle(readAnswer(call.method, answer)),
        );
      });
    });
  }

  /** Applies at once and answers, or not, in its own time. */
  #meet(
    life: Life,
    { url, body, key }: { url: string; body: string; key: string },
    mood: PartnerMood | null,
    answer: (body: string | null) => void,
  ): string {
    const { time } = this.#world;
    const read = decodeCall(body);
    const checked = read.kind === 'malformed' ? null : toShopfloorCall(read.method, read.params);
    if (checked?.kind !== 'valid') {
      this.#world.violate('the partner can read what it is sent', checked === null ? body : checked.text);
      answer(null);
      return '';
    }
    const fault = this.#faultOf(key, checked.call, mood);
    const met: Met = {
      ...aboutOf(checked.call),
      atMs: time.nowMs(),
      key,
      replica: life.name,
      bodyHash: hashOf(body),
      isApplied: fault === null,
      faultCode: fault,
      answeredMs: null,
    };
    this.journal.push(met);
    const lane = `${url} ${met.board}`;
    this.#watchLane(lane, met);
    const reply = fault === null ? encodeResponse(replyTo(checked.call, this.#replies)) : encodeFault(fault, 'said no');
    const text = mood === 'garbage' ? reply.slice(0, reply.length / 2) : reply;
    time.after(mood === 'slow' ? this.#prng.between(...SLOW_MS) : this.#prng.between(...WAY_MS), () => {
      met.answeredMs = time.nowMs();
      answer(mood === 'drop' ? null : text);
    });
    return lane;
  }

  /** Two replicas that speak of one unit at the same time: one of them is not its lane's owner any more. */
  #watchLane(lane: string, met: Met): void {
    const other = this.#underWay.get(lane);
    if (other !== undefined && other.met.replica !== met.replica && other.untilMs > met.atMs) {
      this.#world.violate(
        '13: a lane has one sender at a time',
        `${met.replica} sent ${met.method} of ${met.board} while ${other.met.replica}'s call was still under way`,
      );
    }
    this.#underWay.set(lane, { met, untilMs: met.atMs + timeoutMs });
  }

  #moodOf(): PartnerMood | null {
    return this.#world.weather.partnerMoods().find(({ rate }) => this.#prng.chance(rate))?.mood ?? null;
  }

  #faultOf(key: string, call: ShopfloorCall, mood: PartnerMood | null): number | null {
    if (mood === 'fault') return -1001;
    if (call.method !== 'NotifyStart' || call.station !== 'FAT') return null;
    const known = this.#refusedKeys.get(key) ?? this.#prng.chance(GATE_REFUSED_RATE);
    this.#refusedKeys.set(key, known);
    return known ? -1002 : null;
  }
}

const aboutOf = (call: ShopfloorCall): Pick<Met, 'board' | 'method' | 'station' | 'testId' | 'status'> => ({
  board: serialsOf(call.deviceData ?? {})['mlb_serial_number'] ?? '',
  method: call.method,
  station: call.station,
  testId: call.testId,
  status: call.status,
});

const readAnswer = (method: string, body: string): Outcome => {
  const reader = createXmlRpcReader();
  const malformed = reader.write(Buffer.from(body));
  return outcomeOf(method, malformed ?? reader.end());
};

const hashOf = (body: string): string => createHash('sha256').update(body).digest('hex').slice(0, 12);
