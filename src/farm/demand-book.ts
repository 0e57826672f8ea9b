/**
 * How much work there is for fleets of bots that are to be scaled. Autoscalers ask often, all of them at once, and for
 * several figures in a row: an instance is counted at most once in `autoscaling.freshMs`, whoever asks.
 */
import { OK } from '../core/bot-session.ts';
import { type Demand, demandOf, type DemandFacts, type DemandOf } from '../core/demand.ts';
import { likePattern } from '../core/pattern.ts';
import { checkText } from '../core/text.ts';
import { readDemand } from '../store/demand.ts';
import type { Home } from './home.ts';
import { lineFor } from './instance.ts';
import { openEar } from './ear.ts';
import { toProperties } from './sessions.ts';

export type DemandAsked = DemandOf & {
  readonly instance: string;
  /** Bot ids of the fleet: `*` for any run of characters, `?` for one. Null: every bot of the instance is of it. */
  readonly bots: string | null;
};

export type DemandBook = {
  /** Not older than `autoscaling.freshMs`. @throws Refusal INVALID for an instance or a pattern that cannot be. */
  readonly read: (asked: DemandAsked) => Promise<Demand>;
  /** As it is, and then whenever it may have changed, until the signal aborts. @throws as `read`. */
  readonly follow: (asked: DemandAsked, signal: AbortSignal) => AsyncGenerator<Demand, void, void>;
};

type Page = { readonly atMs: number; readonly facts: Promise<DemandFacts> };
type Seams = Pick<Home, 'pool' | 'clock' | 'limits' | 'lineOf' | 'matching' | 'onWake'>;

export const createDemandBook = (home: Seams): DemandBook => {
  const pages = new Map<string, Page>();
  const { freshMs, countedMax, pagesMax } = home.limits.autoscaling;

  const count = async (instance: string, bots: string | null): Promise<DemandFacts> => {
    const { queued, busy, othersRoom } = await readDemand(home.pool, {
      instance,
      fleet: bots === null ? null : likePattern(bots),
      drained: home.matching.drains
        .filter((drain) => drain.instance === instance)
        .map(({ pattern }) => likePattern(pattern)),
      readyStatus: OK,
      countedMax,
    });
    const others = othersRoom.map(({ properties, room }) => ({ properties: toProperties(properties), room }));
    return { queued, busy, othersRoom: others };
  };

  const pageOf = ({ instance, bots }: DemandAsked): Page => {
    const key = JSON.stringify([instance, bots]);
    const nowMs = home.clock.monotonicMs();
    const known = pages.get(key);
    if (known !== undefined && nowMs - known.atMs < freshMs) return known;
    const page: Page = { atMs: nowMs, facts: count(instance, bots) };
    // The one asked for last is the last to go. What could not be counted is not remembered.
    pages.delete(key);
    pages.set(key, page);
    page.facts.catch(() => {
      if (pages.get(key) === page) pages.delete(key);
    });
    for (const oldest of pages.keys()) {
      if (pages.size <= pagesMax) break;
      pages.delete(oldest);
    }
    return page;
  };

  const read = async (asked: DemandAsked): Promise<Demand> => {
    lineFor(home, asked.instance);
    if (asked.bots !== null) checkText('The pattern', asked.bots, home.limits.text.nameBytesMax);
    return demandOf(await pageOf(asked).facts, asked);
  };

  return {
    read,
    follow: async function* (asked, signal) {
      const ear = openEar(home, ({ kind }) => kind === 'requirement' || kind === 'session');
      try {
        while (!signal.aborted) {
          yield await read(asked);
          await ear.heard(home.limits.replica.tickMs, signal);
          // What was heard of is not in a page that is still fresh.
          await home.clock.sleep(freshMs, signal);
        }
      } finally {
        ear.close();
      }
    },
  };
};
