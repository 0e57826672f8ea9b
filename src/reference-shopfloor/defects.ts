/**
 * Defects on demand: mistakes that partners' services make, each of which `stationgrid shopfloor check` must find, and
 * nothing else with it. A fault rule meets single calls; a defect is there all the time. What a defect refuses never
 * reaches the desk, so that the journal does not show it.
 */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { XmlRpcFault, XmlRpcResult, XmlRpcValue } from '../wire/xml-rpc.ts';
import { isXmlRpcArray, isXmlRpcStruct } from '../wire/xml-rpc.ts';
import type { ReadCall } from './spoken.ts';
import { DEFECT_NAMES, type DefectName } from './defect-names.ts';
import { FAULT_CODE } from './shopfloor-method.ts';

export const defectsSchema = z.array(z.enum(DEFECT_NAMES));

const SMALL_BODY_BYTES = 64 * 1024;
/** How long a call of GetDeviceInfo is worked on with `one-at-a-time`. */
const WORK_MS = 500;

/** An HTTP answer instead of the shopfloor's; or the connection is cut. */
export type Refusal =
  { readonly kind: 'status'; readonly status: number; readonly why: string } | { readonly kind: 'cut' };

export interface Defects {
  list(): readonly DefectName[];
  replace(names: readonly DefectName[]): void;
  /** Before the body is looked at. Null: let it in. */
  refuseRequest(request: IncomingMessage, path: string, bodyBytes: number): Refusal | null;
  /** Once the call is read. Null: let it in. */
  refuseCall(
    call: ReadCall,
    seen: { readonly body: Buffer; readonly key: string | null },
  ): Promise<XmlRpcFault | 'cut' | null>;
  /** The answer on its way out. */
  spoilAnswer(call: ReadCall, answer: XmlRpcResult | XmlRpcFault): XmlRpcResult | XmlRpcFault;
  /** Its text, and the status it goes with. */
  spoilText(text: string, kind: 'value' | 'fault'): { readonly text: string; readonly status: number };
}

export function createDefects(initial: readonly DefectName[], clock: Pick<Clock, 'sleep'>): Defects {
  let names: ReadonlySet<DefectName> = new Set(initial);
  const served = new WeakSet();
  const keys = new Set<string>();
  let working = false;

  async function takesTurns(): Promise<'cut' | null> {
    if (working) return 'cut';
    working = true;
    await clock.sleep(WORK_MS);
    working = false;
    return null;
  }

  return {
    list: () => [...names],
    replace(next) {
      names = new Set(next);
      keys.clear();
    },
    refuseRequest(request, path, bodyBytes) {
      const { socket, httpVersion } = request;
      const isSecond = served.has(socket);
      served.add(socket);
      if (names.has('cuts-kept-connections') && isSecond) return { kind: 'cut' };
      if (names.has('no-http-1.0') && httpVersion === '1.0') return status(505, 'only HTTP/1.1 is spoken here');
      if (names.has('small-bodies') && bodyBytes > SMALL_BODY_BYTES) return status(413, 'the call is too big');
      return names.has('only-root') && path !== '/' ? status(404, 'calls go to /') : null;
    },
    async refuseCall(call, { body, key }) {
      const isRepeat = key !== null && keys.has(key);
      if (key !== null && names.has('faults-repeats')) keys.add(key);
      if (isRepeat) return fault('this was done already');
      if (names.has('one-at-a-time') && call.method === 'GetDeviceInfo') return takesTurns();
      const misfit = WRONG_CALLS.find(({ name, fits }) => names.has(name) && fits(call, body));
      return misfit === undefined ? null : fault(misfit.says, misfit.code);
    },
    spoilAnswer(call, answer) {
      if (answer.kind === 'fault') return answer;
      if (call.method === 'GetVersion') return names.has('no-version') ? { kind: 'value', value: null } : answer;
      if (names.has('answers-nil')) return { kind: 'value', value: null };
      return names.has('answers-text') ? { kind: 'value', value: 'OK' } : answer;
    },
    spoilText(text, kind) {
      const spoken = names.has('bare-values') && kind === 'value' ? text.replace(/<\/?value>/g, '') : text;
      if (kind === 'value') return { text: spoken, status: 200 };
      return {
        text: names.has('silent-faults') ? withoutWords(spoken) : spoken,
        status: names.has('faults-by-status') ? 500 : 200,
      };
    },
  };
}

interface WrongCall {
  readonly name: DefectName;
  readonly fits: (call: ReadCall, body: Buffer) => boolean;
  readonly says: string;
  readonly code: number;
}

const { invalid, unknownMethod, unreadable } = FAULT_CODE;

const WRONG_CALLS: readonly WrongCall[] = [
  {
    ...{ name: 'lacks-a-method', says: 'there is no method NotifyEnd', code: unknownMethod },
    fits: ({ method }) => method === 'NotifyEnd',
  },
  {
    ...{ name: 'named-arguments', says: 'expected one struct of named arguments', code: invalid },
    fits: ({ params }) => params.length > 1,
  },
  {
    ...{ name: 'rejects-nil', says: 'nil is not supported', code: invalid },
    fits: ({ params }) => params.some(holds((value) => value === null)),
  },
  {
    ...{ name: 'rejects-types', says: 'data may hold strings only', code: invalid },
    fits: ({ params }) => params.some(holds((value) => typeof value === 'number' || typeof value === 'boolean')),
  },
  {
    ...{ name: 'wants-value-tags', says: 'a param without a value', code: unreadable },
    fits: (_call, body) => /<param>\s*<struct>/.test(body.toString('latin1')),
  },
];

/** Whether a value is such, or anything in it. */
const holds =
  (isSuch: (value: XmlRpcValue) => boolean) =>
  (value: XmlRpcValue): boolean => {
    if (isSuch(value)) return true;
    if (isXmlRpcArray(value)) return value.some(holds(isSuch));
    return isXmlRpcStruct(value) && Object.values(value).some(holds(isSuch));
  };

/** Of XML and of JSON. */
const withoutWords = (text: string): string =>
  text
    .replace(/(<name>faultString<\/name><value><string>)[^<]*/, '$1')
    .replace(/("message":)"(?:\\.|[^"\\])*"/, '$1""');

const fault = (text: string, code: number = FAULT_CODE.invalid): XmlRpcFault => ({ kind: 'fault', code, text });

const status = (code: number, why: string): Refusal => ({ kind: 'status', status: code, why });
