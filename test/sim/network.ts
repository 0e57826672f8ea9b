/** Messages between simulated processes: late, lost, doubled, or cut off, as the weather of the moment has it. */
import type { Credentials } from '../../src/farm/identify.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { Trace } from './trace.ts';
import type { Timer, VirtualTime } from './virtual-time.ts';

/** A google.rpc code with its words, or the bytes of the reply. */
export type Answered =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly code: number; readonly message: string };

/** Serves a call: each reply is sent, then comes the status. Never rejects. */
export type Handle = (
  path: string,
  bytes: Uint8Array,
  call: {
    readonly untilDeadlineMs: number;
    readonly signal: AbortSignal;
    readonly peer: string;
    readonly credentials: Credentials;
  },
  send: (reply: Uint8Array) => void,
) => Promise<{ readonly code: number; readonly message: string }>;

/** Somebody who listens at an address, until its process dies. */
export type Listener = { readonly life: Life; readonly handle: Handle };

export type LinkWeather = {
  /** Nothing of `from` reaches `to`. */
  readonly isCut: (from: string, to: string) => boolean;
  readonly lossOf: (from: string, to: string) => number;
  readonly duplication: () => number;
  /** Added to a message's way. */
  readonly delayMaxMs: () => number;
};

const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;
const CANCELLED = 1;
const STREAM_WAY_MS = 2;
/** A silent connection is pinged, and given up when that is not answered. */
const PINGS_MS = 40_000;
const WAY_MS = [0.3, 4] as const;

export class Network {
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #trace: Trace;
  readonly #weather: LinkWeather;
  readonly #listeners = new Map<string, Listener>();

  constructor(parts: { time: VirtualTime; prng: Prng; trace: Trace; weather: LinkWeather }) {
    this.#time = parts.time;
    this.#prng = parts.prng;
    this.#trace = parts.trace;
    this.#weather = parts.weather;
  }

  listen(address: string, listener: Listener): void {
    this.#listeners.set(address, listener);
    listener.life.onDeath(() => {
      if (this.#listeners.get(address) === listener) this.#listeners.delete(address);
    });
  }

  /** Addresses at which somebody listens; one whose process is stopped is among them. */
  addresses(): string[] {
    return [...this.#listeners.keys()].sort();
  }

  /** One call. The caller hears of it once, or never if it dies. */
  call(
    client: Life,
    address: string,
    request: {
      readonly path: string;
      readonly bytes: Uint8Array;
      readonly deadlineMs: number;
      readonly signal: AbortSignal;
      readonly credentials: Credentials;
      /** Of a stream: hears its replies in their order. Its end is then a `reply` without bytes. */
      readonly onReply?: (bytes: Uint8Array) => void;
    },
  ): Promise<Answered> {
    const { path, bytes, deadlineMs, signal, credentials } = request;
    const server = this.#listeners.get(address);
    const what = `${path.split('/').at(-1)} -> ${address}`;
    return new Promise((resolve) => {
      let over = false;
      const gone = new AbortController();
      const settle = (answered: Answered): void => {
        if (over) return;
        over = true;
        deadline.cancel();
        signal.removeEventListener('abort', cut);
        const how = answered.kind === 'reply' ? 'ok' : `${answered.code} ${answered.message.slice(0, 80)}`;
        this.#trace.add(client.name, `call: ${what} = ${how}`);
        if (answered.kind === 'failed') this.#way(client.name, address, () => gone.abort());
        resolve(answered);
      };
      const fail = (code: number, message: string): void => settle({ kind: 'failed', code, message });
      const cut = (): void => fail(CANCELLED, 'cut by the caller');
      const deadline = this.#time.after(deadlineMs, () =>
        client.deliver(() => fail(DEADLINE_EXCEEDED, 'deadline exceeded')),
      );
      if (signal.aborted) {
        cut();
        return;
      }
      signal.addEventListener('abort', cut, { once: true });
      if (server === undefined) {
        this.#time.after(1, () => client.deliver(() => fail(UNAVAILABLE, 'connection refused')));
        return;
      }
      const isStream = request.onReply !== undefined;
      let isBroken = false;
      // What a stream carries comes in its order and once; or the stream is broken, and the client finds out by its pings.
      const carry = (hear: () => void): void => {
        if (isBroken) return;
        if (this.#weather.isCut(address, client.name)) {
          isBroken = true;
          this.#time.after(PINGS_MS, () => client.deliver(() => fail(UNAVAILABLE, 'the pings are not answered')));
        } else this.#time.after(STREAM_WAY_MS, () => client.deliver(hear));
      };
      const onReply = isStream ? (reply: Uint8Array): void => carry(() => over || request.onReply?.(reply)) : null;
      const answer = (answered: Answered): void => {
        if (isStream) carry(() => settle(answered));
        else this.#way(address, client.name, () => client.deliver(() => settle(answered)));
      };
      // A killed process's machine resets its connections.
      server.life.onDeath(() => {
        if (!over) this.#way(address, client.name, () => client.deliver(() => fail(UNAVAILABLE, 'connection reset')));
      });
      this.#trace.add(client.name, `call: ${what}`);
      const arrive = (tookMs: number): void =>
        server.life.deliver(() => {
          const untilDeadlineMs = deadlineMs - tookMs;
          this.#serve(server, { path, bytes, untilDeadlineMs, gone, peer: client.name, credentials, onReply }, answer);
        });
      this.#way(client.name, address, arrive, isStream);
    });
  }

  #serve(
    server: Listener,
    call: {
      path: string;
      bytes: Uint8Array;
      untilDeadlineMs: number;
      gone: AbortController;
      peer: string;
      credentials: Credentials;
      onReply: ((reply: Uint8Array) => void) | null;
    },
    answer: (answered: Answered) => void,
  ): void {
    // The server's own watch over the deadline, which the message carried.
    const deadline: Timer = this.#time.after(call.untilDeadlineMs, () => server.life.deliver(() => call.gone.abort()));
    const { untilDeadlineMs, peer, credentials } = call;
    const context = { untilDeadlineMs, signal: call.gone.signal, peer, credentials };
    let last: Uint8Array = new Uint8Array();
    const send = (reply: Uint8Array): void => {
      if (call.onReply === null) last = reply;
      else call.onReply(reply);
    };
    void server.handle(call.path, call.bytes, context, send).then(({ code, message }) => {
      server.life.deliver(() => {
        deadline.cancel();
        answer(code === 0 ? { kind: 'reply', bytes: last } : { kind: 'failed', code, message });
      });
    });
  }

  /** One way of one message; arrives once, twice or never. */
  #way(from: string, to: string, arrive: (tookMs: number) => void, once = false): void {
    const { isCut, lossOf, duplication, delayMaxMs } = this.#weather;
    const loss = lossOf(from, to);
    if (isCut(from, to) || (loss > 0 && this.#prng.chance(loss))) {
      this.#trace.add(from, `lost on the way to ${to}`);
      return;
    }
    const copies = !once && duplication() > 0 && this.#prng.chance(duplication()) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const delay = delayMaxMs();
      const tookMs = this.#prng.between(...WAY_MS) + (delay > 0 ? this.#prng.random() ** 3 * delay : 0);
      this.#time.after(tookMs, () => arrive(tookMs));
    }
  }
}
