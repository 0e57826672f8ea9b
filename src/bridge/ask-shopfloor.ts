/** Questions that DUTs ask a shopfloor through the farm: at once, past the lanes, and with a time limit of their own. */
import type { Farm } from '../farm/farm.ts';
import { encodeCall, type XmlRpcValue } from '../wire/xml-rpc.ts';
import { createGangway, type Gangway } from './gangway.ts';
import type { Outcome, ShopfloorClient } from './shopfloor-client.ts';

export type Asker = {
  /** Null: the instance has no shopfloor. */
  readonly ask: (instance: string, method: string, params: readonly XmlRpcValue[]) => Promise<Outcome | null>;
  readonly close: () => void;
};

type Shopfloor = { readonly client: Pick<ShopfloorClient, 'call' | 'close'>; readonly gangway: Gangway };

/** @param createClient one for each shopfloor, whose calls end within `limits.external.answer`. */
export const createAsker = (
  farm: Pick<Farm, 'lineOf' | 'newId' | 'clock' | 'witness' | 'limits'>,
  createClient: (url: string) => Pick<ShopfloorClient, 'call' | 'close'>,
): Asker => {
  const shopfloors = new Map<string, Shopfloor>();
  const shopfloorAt = (url: string): Shopfloor => {
    const known = shopfloors.get(url);
    if (known !== undefined) return known;
    const fresh = { client: createClient(url), gangway: createGangway(farm.limits.lanes.concurrentMax) };
    shopfloors.set(url, fresh);
    return fresh;
  };
  return {
    ask: async (instance, method, params) => {
      const url = farm.lineOf(instance)?.shopfloorUrl ?? null;
      if (url === null) return null;
      const { client, gangway } = shopfloorAt(url);
      const sinceMs = farm.clock.monotonicMs();
      const givingUp = new AbortController();
      const over = new AbortController();
      // Waiting for its turn counts, too.
      void farm.clock.sleep(farm.limits.external.answerMs, over.signal).then(() => givingUp.abort());
      const leave = await gangway.enter();
      try {
        const options = { idempotencyKey: farm.newId(), signal: givingUp.signal };
        const outcome = await client.call(method, encodeCall(method, params), options);
        farm.witness.called({ instance, method, outcome: outcome.kind, ms: farm.clock.monotonicMs() - sinceMs });
        return outcome;
      } finally {
        over.abort();
        leave();
      }
    },
    close: () => {
      for (const { client } of shopfloors.values()) client.close();
    },
  };
};
