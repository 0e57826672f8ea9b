/** A farm with a factory door, beside node's own HTTP server that answers as it does. */
import { freePort } from './free-port.ts';
import { bodyOfAnswer } from './http-calls.ts';
import type { Bench } from './measure.ts';
import type { Usage } from './probe.ts';

export type FactoryPair = {
  /** `host:port` of the factory door. */
  readonly door: string;
  /** The same of the bare server. */
  readonly bare: string;
  /** What each of the two processes has used so far. */
  readonly usage: { readonly door: () => Promise<Usage>; readonly bare: () => Promise<Usage> };
  readonly close: () => Promise<void>;
};

export const PING = Buffer.from('<?xml version="1.0"?><methodCall><methodName>Ping</methodName><params/></methodCall>');

export const openFactoryPair = async ({ site }: Bench): Promise<FactoryPair> => {
  const database = await site.database('factory');
  const door = `127.0.0.1:${await freePort()}`;
  const farm = await site.serve({ database, words: ['--factory', door] });
  const bare = await site.bareHttp(await bodyOfAnswer(`http://${door}/`, PING));
  return {
    door,
    bare: bare.address,
    usage: { door: farm.usage, bare: bare.usage },
    close: async () => {
      await bare.close();
      await farm.close();
      await database.drop();
    },
  };
};
