/** The partner's shopfloor as the checks ask it: as the farm would, and remembering all that was answered. */
import { dialectOf } from '../../bridge/dialect.ts';
import { createShopfloorClient, type Exchange } from '../../bridge/shopfloor-client.ts';
import type { Clock } from '../../core/clock.ts';
import { toShopfloorUrl } from '../../core/shopfloor-url.ts';
import { encodeCall, type XmlRpcStruct, type XmlRpcValue } from '../../wire/xml-rpc.ts';

export type Asked = { readonly method: string; readonly exchange: Exchange };

export type Partner = {
  /** As `toShopfloorUrl` reads it. */
  readonly address: string;
  readonly url: URL;
  readonly isPlainXml: boolean;
  readonly clock: Clock;
  readonly newId: () => string;
  /** FactoryDeviceData of the unit that the checks tell of. */
  readonly unit: XmlRpcStruct;
  readonly station: string;
  /** An answer that takes longer is too slow. */
  readonly slowMs: number;
  readonly signal: AbortSignal;
  /** One call on a connection of its own, under a new key unless one is given. */
  readonly ask: (method: string, params: readonly XmlRpcValue[], key?: string) => Promise<Exchange>;
  /** A test result of the unit: the call that comes most. */
  readonly tell: (details: XmlRpcValue, more?: XmlRpcStruct, key?: string) => Promise<Exchange>;
  /** A call as bytes, with what HTTP must say of it. */
  readonly render: (
    method: string,
    params: readonly XmlRpcValue[],
  ) => {
    readonly body: string;
    readonly contentType: string;
    readonly key: string;
  };
  /** All that was asked by `ask` so far, in order. */
  readonly heard: readonly Asked[];
};

export type PartnerOptions = Pick<Partner, 'address' | 'clock' | 'newId' | 'unit' | 'station' | 'slowMs' | 'signal'>;

/** The test id of all results that checks send. */
export const CHECK_TEST_ID = 'stationgrid:Check.Result';

export const openPartner = (options: PartnerOptions): Partner => {
  const { address, clock, newId, signal, unit } = options;
  const target = toShopfloorUrl(address);
  if (target.kind === 'unsupported') throw new Error(target.why);
  const dialect = dialectOf(target);
  const client = createShopfloorClient({ url: address, clock, keepsConnections: false });
  const heard: Asked[] = [];

  const ask: Partner['ask'] = async (method, params, key = newId()) => {
    const exchange = await client.exchange(encodeCall(method, params), { idempotencyKey: key, signal });
    heard.push({ method, exchange });
    return exchange;
  };
  return {
    ...options,
    url: target.url,
    isPlainXml: target.protocol === 'xmlrpc' && !target.jsonText,
    ask,
    tell: (details, more = {}, key = newId()) =>
      ask('UpdateTestResult', [{ ...unit, ...more }, CHECK_TEST_ID, 'PASSED', details], key),
    render(method, params) {
      const key = newId();
      return { body: dialect.render(encodeCall(method, params), key), contentType: dialect.contentType, key };
    },
    heard,
  };
};

const SAID_CHARACTERS_MAX = 200;

/** An end of a call in a few words. */
export const wordsOf = (exchange: Exchange): string => {
  switch (exchange.kind) {
    case 'value':
      return `answered ${clip(JSON.stringify(exchange.value))}`;
    case 'fault':
      return `fault ${String(exchange.code)}: ${clip(lastLine(exchange.text))}`;
    case 'refused':
    case 'ambiguous':
      return clip(exchange.why);
  }
};

/** What the screen at a line shows first. */
export const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)?.trim() ?? '';

const clip = (text: string): string =>
  text.length > SAID_CHARACTERS_MAX ? `${text.slice(0, SAID_CHARACTERS_MAX)}…` : text;
