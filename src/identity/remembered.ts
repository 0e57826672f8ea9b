/** Credentials that were found to hold: each with one signal that ends what goes on under it, and one timer. */
import type { Clock } from '../core/clock.ts';
import { Refusal } from '../core/refusal.ts';

/** What credentials were found to say, such as whose they are. */
export type Said = {
  /** Wall-clock ms: credentials tell their end by the wall clock of whoever issued them. */
  readonly endsAtMs: number;
};

export type Held<S extends Said> = {
  readonly said: S;
  /** Aborts when they hold no longer, or are let go; its reason is a Refusal. */
  readonly until: AbortSignal;
};

export type Remembered<S extends Said> = {
  /** Null: they are not remembered. */
  readonly find: (key: string) => Held<S> | null;
  /** Those that are remembered already keep their signal, so that no call is left behind with one that nobody ends. */
  readonly keep: (key: string, said: S) => Held<S>;
  readonly end: (key: string, why: Refusal) => void;
  readonly endAll: (why: Refusal) => void;
  /** Waits for no end any more; what goes on is left alone. */
  readonly stop: () => void;
};

export type RememberedOptions = {
  readonly clock: Clock;
  /** Beyond, those that were asked about least lately are let go, and their calls with them. */
  readonly rememberedMax: number;
  /** What calls hear when their credentials end in their own time. */
  readonly expired: () => Refusal;
};

type Entry<S extends Said> = {
  said: S;
  readonly held: AbortController;
  /** Of the timer. */
  readonly waiting: AbortController;
};

/** A timer's longest is a little more. */
const SLEEP_MS_MAX = 24 * 60 * 60_000;

export const createRemembered = <S extends Said>(options: RememberedOptions): Remembered<S> => {
  const { clock, rememberedMax, expired } = options;
  /** Those asked about least lately first. */
  const entries = new Map<string, Entry<S>>();
  let isStopped = false;

  const end = (key: string, why: Refusal): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    entry.waiting.abort();
    entry.held.abort(why);
  };
  const endInTime = async (key: string, { said: { endsAtMs }, waiting: { signal } }: Entry<S>): Promise<void> => {
    while (!signal.aborted) {
      const leftMs = endsAtMs - clock.now().getTime();
      if (leftMs <= 0) end(key, expired());
      else await clock.sleep(Math.min(leftMs, SLEEP_MS_MAX), signal);
    }
  };
  const add = (key: string, said: S): Entry<S> => {
    for (const oldest of entries.keys()) {
      if (entries.size < rememberedMax) break;
      end(oldest, letGo());
    }
    const entry = { said, held: new AbortController(), waiting: new AbortController() };
    entries.set(key, entry);
    if (!isStopped) void endInTime(key, entry);
    return entry;
  };
  const find = (key: string): Entry<S> | null => {
    const entry = entries.get(key);
    if (entry === undefined) return null;
    entries.delete(key);
    entries.set(key, entry);
    return entry;
  };
  return {
    find: (key) => {
      const entry = find(key);
      return entry === null ? null : toHeld(entry);
    },
    keep: (key, said) => {
      const entry = find(key) ?? add(key, said);
      entry.said = said;
      return toHeld(entry);
    },
    end,
    endAll: (why) => {
      for (const key of [...entries.keys()]) end(key, why);
    },
    stop: () => {
      isStopped = true;
      for (const { waiting } of entries.values()) waiting.abort();
    },
  };
};

function toHeld<S extends Said>({ said, held: { signal } }: Entry<S>): Held<S> {
  return { said, until: signal };
}

const letGo = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'CREDENTIALS_LET_GO',
    'More callers came to this replica than it remembers at once, and it let go of those that were silent longest. Call again at once.',
  );
