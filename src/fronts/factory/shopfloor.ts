/**
 * Shopfloor calls of DUTs. What tells the shopfloor something goes into the DUT's lane, and waits there for its answer; what only
 * asks is passed through. Registration codes are in neither the lane nor a log.
 */
import type { OwedCall } from '../../core/shopfloor-call.ts';
import { callOfDut } from '../../core/shopfloor-call.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import type { TestStatus } from '../../core/verdict.ts';
import type { Farm } from '../../farm/farm.ts';
import { createGangway } from '../../farm/gangway.ts';
import { keepDeviceInfo } from '../../farm/keep-device-info.ts';
import { awaitCall } from '../../farm/await-call.ts';
import { takeShopfloorCall } from '../../farm/take-shopfloor-call.ts';
import { toDeviceData, toFactoryDeviceData } from '../../wire/device-data.ts';
import { isRedacted, redact } from '../../wire/redact.ts';
import { isXmlRpcArray, isXmlRpcStruct, type XmlRpcStruct, type XmlRpcValue } from '../../wire/xml-rpc.ts';
import { type Arguments, structOf, textOf } from './arguments.ts';

/** What a DUT is told when the shopfloor does not answer in time: `{}`, since its call is safe, or a fault. */
export type Unanswered = 'queue' | 'fault';

export type Asked =
  | { readonly kind: 'answered'; readonly value: XmlRpcValue }
  | { readonly kind: 'fault'; readonly code: number; readonly text: string }
  | { readonly kind: 'unanswered'; readonly why: string };

/** One call to the shopfloor of the instance, at once and past every lane; null: it has none. */
export type AskShopfloor = (instance: string, method: string, params: Arguments) => Promise<Asked | null>;

export type ShopfloorParts = {
  readonly farm: Farm;
  readonly instance: string;
  readonly unanswered: Unanswered;
  readonly ask: AskShopfloor;
};

/** @throws Refusal. */
export type Shopfloor = (method: string, args: Arguments, peer: string) => Promise<XmlRpcValue>;

export const createShopfloor = (parts: ShopfloorParts): Shopfloor => {
  const { farm } = parts;
  const through = createGangway(farm.limits.external.atOnceMax);
  return async (method, args, peer) => {
    const call = laneCallOf(method, args);
    if (call === null) return passThrough(parts, method, args);
    const data = structOf(args[0], 'data');
    const sinceMs = farm.clock.monotonicMs();
    const taking = { instance: parts.instance, call, said: saidIn(data), peer };
    const taken = await through(() => takeShopfloorCall(farm, taking));
    if (taken === null) return {};
    const answer = await awaitCall(farm, { ...taken, sinceMs });
    switch (answer.kind) {
      case 'answered':
        return forDut(farm, method, data, toStruct(answer.answer));
      case 'fault':
        throw refused(method, answer.words);
      case 'unanswered':
        if (parts.unanswered === 'queue') return {};
        throw new Refusal('WRONG_STATE', 'SHOPFLOOR_UNANSWERED', unansweredWords(method, answer.why));
    }
  };
};

/** Null: a question, which no lane has. */
const laneCallOf = (method: string, args: Arguments): OwedCall | null => {
  switch (method) {
    case 'NotifyStart':
    case 'NotifyEnd':
      return callOfDut(method, { station: textOf(args[1], 'station') });
    case 'NotifyEvent':
      return callOfDut(method, { event: textOf(args[1], 'event') });
    case 'UpdateTestResult': {
      const details = args[3] === null || args[3] === undefined ? null : structOf(args[3], 'details');
      return callOfDut(method, {
        testId: textOf(args[1], 'test_id'),
        status: statusOf(args[2]),
        details: details === null ? null : toCodeless(toJson(details)),
      });
    }
    default:
      return null;
  }
};

const STATUSES: ReadonlySet<string> = new Set<TestStatus>(['PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED']);
const isStatus = (text: string): text is TestStatus => STATUSES.has(text);

const statusOf = (value: XmlRpcValue | undefined): TestStatus => {
  const status = textOf(value, 'status');
  if (isStatus(status)) return status;
  throw invalid(
    'STATUS_UNKNOWN',
    `status is ${JSON.stringify(status)}; it must be one of ${[...STATUSES].join(', ')}.`,
  );
};

/** Details are kept as JSON, which has no binary. */
const toJson = (struct: XmlRpcStruct): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(struct).map(([name, value]) => [name, toJsonValue(value)]));

const toJsonValue = (value: XmlRpcValue): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value === null || typeof value !== 'object') return value;
  return isXmlRpcArray(value) ? value.map(toJsonValue) : isXmlRpcStruct(value) ? toJson(value) : null;
};

/** Never next to a serial, so not in what is kept of a call. */
function toCodeless(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return redact(members) as Readonly<Record<string, unknown>>;
}

/** FactoryDeviceData; what would have to be hidden in it is left out. */
const saidIn = (data: XmlRpcStruct): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(toCodeless(toFactoryDeviceData(data).kept)).filter(([, value]) => !isRedacted(value)),
  );

/**
 * What a DUT can take of an answer: the keys it knows, no `action`, and no deletion of what it lacks. What was redacted is left
 * out: registration codes come with GetDeviceInfo.
 */
const forDut = (farm: Farm, method: string, data: XmlRpcStruct, answer: XmlRpcStruct): XmlRpcValue => {
  const { kept, dropped } = toDeviceData(answer, new Set(Object.keys(data)));
  // An answer that was passed through was never redacted.
  const hidden = Object.keys(kept).filter((key) => isRedacted(kept[key]));
  const left = [...dropped.map(({ key }) => key), ...hidden];
  if (left.length > 0) {
    farm.log.warn({ method, keys: left.slice(0, KEYS_TOLD_MAX) }, 'keys of a shopfloor answer were kept from a DUT');
  }
  return Object.fromEntries(Object.entries(kept).filter(([key]) => !hidden.includes(key)));
};

const KEYS_TOLD_MAX = 5;

/** An answer as it was kept: JSON of a struct. */
function toStruct(answer: unknown): XmlRpcStruct {
  return answer as XmlRpcStruct;
}

const passThrough = async (parts: ShopfloorParts, method: string, args: Arguments): Promise<XmlRpcValue> => {
  const { farm, instance, ask } = parts;
  const [first = null] = args;
  const data = method === 'GetDeviceInfo' ? structOf(first, 'data') : {};
  const asked = await ask(instance, method, method === 'GetDeviceInfo' ? [toFactoryDeviceData(data).kept] : args);
  if (asked === null) {
    const words = `Instance ${JSON.stringify(instance)} has no shopfloor, so nobody can answer ${method}. Give its line one.`;
    throw new Refusal('WRONG_STATE', 'NO_SHOPFLOOR', words);
  }
  switch (asked.kind) {
    case 'fault':
      throw refused(method, `fault ${String(asked.code)}: ${asked.text}`);
    case 'unanswered':
      throw new Refusal(
        'WRONG_STATE',
        'SHOPFLOOR_UNANSWERED',
        `The shopfloor did not answer ${method}: ${asked.why}. Try again.`,
      );
    case 'answered': {
      if (method === 'GetVersion') return asked.value;
      const answer = isXmlRpcStruct(asked.value) ? asked.value : {};
      const told = forDut(farm, method, data, answer);
      if (method === 'GetDeviceInfo') {
        await keepDeviceInfo(farm, { instance, said: saidIn(data), told: toDeviceData(answer).kept });
      }
      return told;
    }
  }
};

/** The shopfloor's own words come last: of a fault a DUT shows its last line first. */
const refused = (method: string, words: string): Refusal =>
  new Refusal('WRONG_STATE', 'SHOPFLOOR_REFUSED', `The shopfloor refused ${method}: ${words}`);

const unansweredWords = (method: string, why: string): string =>
  `The shopfloor has not answered ${method} yet (${why.replaceAll(/\s+/g, ' ')}). The call is kept and will be delivered; ` +
  'try again for its answer.';
