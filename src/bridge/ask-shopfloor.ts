/** Questions that DUTs ask a shopfloor through the farm: at once, past the lanes, and with a time limit of their own. */
import type { Farm } from '../farm/farm.ts';
import { createGangway, type Gangway } from '../farm/gangway.ts';
import { encodeCall, type XmlRpcValue } from '../wire/xml-rpc.ts';
import type { Outcome, ShopfloorClient } from './shopfloor-client.ts';

/** Whether the bytes got there or not is nothing to whoever only asks. */
export type Asked =
  Extract<Outcome, { readonly kind: 'answered' | 'fault' }> | { readonly kind: 'unanswered'; readonly why: string };

export type Asker = {
  /** Null: the instance has no shopfloor. */
  readonly ask: (instance: string, method: string, params: readonly XmlRpcValue[]) => Promise<Asked | null>;
  readonly close: () => void;
};

type Shopfloor = { readonly client: Pick<ShopfloorClient, 'call' | 'close'>; readonly through: Gangway };

/** @param createClient one for each shopfloor, whose calls end within `limits.external.answer`. */
export const createAsker = (
  farm: Pick<Farm, 'lineOf' | 'newId' | 'clock' | 'witness' | 'limits'>,
  createClient: (url: string) => Pick<ShopfloorClient, 'call' | 'close'>,
): Asker => {
  const shopfloors = new Map<string, Shopfloor>();
  const shopfloorAt = (url: string): Shopfloor => {
    const known = shopfloors.get(url);
    if (known !== undefined) return known;
    const fresh = { client: createClient(url), through: createGangway(farm.limits.lanes.concurrentMax) };
    shopfloors.set(url, fresh);
    return fresh;
  };
  return {
    ask: async (instance, method, params) => {
      const url = farm.lineOf(instance)?.shopfloorUrl ?? null;
      if (url === null) return null;
      const { client, through } = shopfloorAt(url);
      const sinceMs = farm.clock.monotonicMs();
      const givingUp = new AbortController();
      const over = new AbortController();
      // Waiting for its turn counts, too.
      void farm.clock.sleep(farm.limits.external.answerMs, over.signal).then(() => givingUp.abort());
      try {
        const options = { idempotencyKey: farm.newId(), signal: givingUp.signal };
        const outcome = await through(() => client.call(method, encodeCall(method, params), options));
        farm.witness.called({ instance, method, outcome: outcome.kind, ms: farm.clock.monotonicMs() - sinceMs });
        return outcome.kind === 'answered' || outcome.kind === 'fault'
          ? outcome
          : { kind: 'unanswered', why: outcome.why };
      } finally {
        over.abort();
      }
    },
    close: () => {
      for (const { client } of shopfloors.values()) client.close();
    },
  };
};
