/**
 * The newest farm events, for all who follow them on this replica: read once, by whoever of them needs it, and kept for
 * those who are a little behind. Who is further behind reads by itself until it has caught up.
 */
import { type EventPlace, readEventHorizon, readEventPage, type StoredEvent } from '../store/event-pages.ts';
import { openEar } from './ear.ts';
import type { Farm } from './farm.ts';

export type { EventPlace, StoredEvent } from '../store/event-pages.ts';

export type EventTail = {
  /**
   * An empty page that says where it begins, then pages of events, oldest first, until the signal aborts.
   * @param after null: only what comes from now on.
   */
  readonly follow: (after: EventPlace | null, signal: AbortSignal) => AsyncGenerator<FollowedPage, void, void>;
};

export type FollowedPage = { readonly events: readonly StoredEvent[]; readonly upTo: EventPlace };

const PAGE_EVENTS_MAX = 500;

export const createEventTail = (farm: Farm): EventTail => {
  let followers = 0;
  let tail: Promise<Tail> | null = null;
  const enter = (): Promise<Tail> => {
    followers += 1;
    if (tail === null) {
      const opening = readEventHorizon(farm.pool).then((from) => openTail(farm, from));
      tail = opening;
      // The next one tries anew.
      opening.catch(() => {
        if (tail === opening) tail = null;
      });
    }
    return tail;
  };
  const leave = (): void => {
    followers -= 1;
    if (followers > 0) return;
    void tail?.then(
      ({ stop }) => {
        stop();
      },
      () => undefined,
    );
    tail = null;
  };
  return {
    follow: async function* (after, signal) {
      try {
        const tail = await enter();
        let at = after ?? (await readEventHorizon(farm.pool));
        yield { events: [], upTo: at };
        while (!signal.aborted) {
          // Asked for before the look, so that nothing that comes after it is missed.
          const changed = tail.changed();
          const events = tail.after(at) ?? (await readEventPage(farm.pool, at, PAGE_EVENTS_MAX)).events;
          const last = events.at(-1);
          if (last === undefined) await either(changed, signal);
          else {
            at = last.place;
            yield { events, upTo: at };
          }
        }
      } finally {
        leave();
      }
    },
  };
};

type Tail = {
  /** Null: it goes further back than what is kept. */
  readonly after: (at: EventPlace) => readonly StoredEvent[] | null;
  /** Resolves when there is more than there was. */
  readonly changed: () => Promise<null>;
  readonly stop: () => void;
};

const openTail = (farm: Farm, begin: EventPlace): Tail => {
  const { paceMs, eventsKept } = farm.limits.streams;
  const stopping = new AbortController();
  let kept: readonly StoredEvent[] = [];
  /** All that is newer is kept. */
  let from = begin;
  let upTo = begin;
  let change = Promise.withResolvers<null>();
  const add = (events: readonly StoredEvent[]): void => {
    upTo = events.at(-1)?.place ?? upTo;
    const all = [...kept, ...events];
    from = all.at(-eventsKept - 1)?.place ?? from;
    kept = all.slice(-eventsKept);
    change.resolve(null);
    change = Promise.withResolvers();
  };
  const look = async (): Promise<boolean> => {
    const { events, pending } = await readEventPage(farm.pool, upTo, PAGE_EVENTS_MAX);
    if (events.length > 0) add(events);
    return pending;
  };
  const run = async (): Promise<void> => {
    const ear = openEar(farm, () => true);
    while (!stopping.signal.aborted) {
      const pending = await look().catch((error: unknown) => {
        farm.log.warn(
          { error: String(error) },
          'farm events could not be read; those who follow them hear of them later',
        );
        return false;
      });
      // Not everything that happens wakes somebody: the rest is told within a tick.
      if (!pending) await ear.heard(farm.limits.replica.tickMs, stopping.signal);
      await farm.clock.sleep(paceMs, stopping.signal);
    }
    ear.close();
  };
  void run();
  return {
    // From the newest: who follows closely is a few behind.
    after: (at) =>
      isBefore(at, from) ? null : kept.slice(kept.findLastIndex(({ place }) => !isBefore(at, place)) + 1),
    changed: () => change.promise,
    stop: () => {
      stopping.abort();
    },
  };
};

const isBefore = (a: EventPlace, b: EventPlace): boolean => {
  const [x, y] = [BigInt(a.xact), BigInt(b.xact)];
  return x < y || (x === y && a.id < b.id);
};

const either = (changed: Promise<null>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener('abort', end);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    void changed.then(end);
  });
