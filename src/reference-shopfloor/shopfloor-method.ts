/** The seven methods of the Shopfloor Service, and what makes a call of one of them valid. */
import type { FactoryDeviceData } from '../wire/device-data.ts';
import { toFactoryDeviceData } from '../wire/device-data.ts';
import type { XmlRpcValue } from '../wire/xml-rpc.ts';
import { isXmlRpcStruct } from '../wire/xml-rpc.ts';

export const SHOPFLOOR_METHODS = [
  'GetVersion',
  'NotifyStart',
  'NotifyEnd',
  'NotifyEvent',
  'GetDeviceInfo',
  'ActivateRegCode',
  'UpdateTestResult',
] as const;
export type ShopfloorMethod = (typeof SHOPFLOOR_METHODS)[number];

export const EVENTS: readonly string[] = ['Finalize', 'Refinalize'];
export const TEST_STATUSES: readonly string[] = ['PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED'];

/** The codes that XML-RPC servers agreed on for a call they cannot make sense of. */
export const FAULT_CODE = { unreadable: -32700, unknownMethod: -32601, invalid: -32602 } as const;

/** A valid call. Null: the method has no such argument. Registration codes are checked and forgotten at once. */
export interface ShopfloorCall {
  readonly method: ShopfloorMethod;
  readonly deviceData: FactoryDeviceData | null;
  readonly station: string | null;
  readonly testId: string | null;
  readonly status: string | null;
  readonly event: string | null;
}

export interface InvalidCall {
  readonly code: number;
  /** For people; never holds an argument, which could be a registration code. */
  readonly text: string;
}

export type CheckedCall =
  { readonly kind: 'valid'; readonly call: ShopfloorCall } | ({ readonly kind: 'invalid' } & InvalidCall);

const NOTHING = { deviceData: null, station: null, testId: null, status: null, event: null } as const;

interface Signature {
  /** The names of the arguments, for the words of a fault; those after `argsMin` may be absent. */
  readonly args: readonly string[];
  readonly argsMin: number;
  readonly read: (method: ShopfloorMethod, args: readonly XmlRpcValue[]) => CheckedCall;
}

const STATION_CALL: Signature = {
  args: ['data', 'station'],
  argsMin: 2,
  read: (method, [data, station]) => {
    const name = nonEmpty(station);
    if (name === null) return invalid('station must be a non-empty string');
    return withDevice(data, { required: true }, (deviceData) => ({ ...NOTHING, method, deviceData, station: name }));
  },
};

const SIGNATURES: Readonly<Record<ShopfloorMethod, Signature>> = {
  GetVersion: { args: [], argsMin: 0, read: (method) => valid({ ...NOTHING, method }) },
  NotifyStart: STATION_CALL,
  NotifyEnd: STATION_CALL,
  NotifyEvent: {
    args: ['data', 'event'],
    argsMin: 2,
    read: (method, [data, event]) => {
      if (typeof event !== 'string' || !EVENTS.includes(event)) return invalid(`event must be ${EVENTS.join(' or ')}`);
      return withDevice(data, { required: true }, (deviceData) => ({ ...NOTHING, method, deviceData, event }));
    },
  },
  GetDeviceInfo: {
    args: ['data'],
    argsMin: 1,
    read: (method, [data]) =>
      withDevice(data, { required: false }, (deviceData) => ({ ...NOTHING, method, deviceData })),
  },
  ActivateRegCode: {
    args: ['ubind_attribute', 'gbind_attribute', 'hwid'],
    argsMin: 3,
    read: (method, args) =>
      args.every((arg) => typeof arg === 'string')
        ? valid({ ...NOTHING, method })
        : invalid('ubind_attribute, gbind_attribute and hwid must be strings'),
  },
  UpdateTestResult: { args: ['data', 'test_id', 'status', 'details'], argsMin: 3, read: readTestResult },
};

/** Checks a call as the API's text has it; unknown stations are welcome, for partners invent them (S-STA-1). */
export function toShopfloorCall(methodName: string, args: readonly XmlRpcValue[]): CheckedCall {
  const method = SHOPFLOOR_METHODS.find((name) => name === methodName);
  if (method === undefined) {
    return {
      kind: 'invalid',
      code: FAULT_CODE.unknownMethod,
      text: `there is no method ${methodName.slice(0, 64)}; this shopfloor has ${SHOPFLOOR_METHODS.join(', ')}`,
    };
  }
  const signature = SIGNATURES[method];
  if (args.length < signature.argsMin || args.length > signature.args.length) {
    return invalid(`${method} takes (${signature.args.join(', ')}), but ${args.length} arguments came`);
  }
  return signature.read(method, args);
}

function readTestResult(method: ShopfloorMethod, [data, testId, status, details]: readonly XmlRpcValue[]): CheckedCall {
  const test = nonEmpty(testId);
  if (test === null) return invalid('test_id must be a non-empty string');
  if (typeof status !== 'string' || !TEST_STATUSES.includes(status)) {
    return invalid(`status must be one of ${TEST_STATUSES.join(', ')}`);
  }
  if (details !== undefined && details !== null && !isXmlRpcStruct(details)) {
    return invalid('details must be a struct, nil, or absent');
  }
  return withDevice(data, { required: true }, (deviceData) => ({
    ...NOTHING,
    method,
    deviceData,
    testId: test,
    status,
  }));
}

/** @param options.required whether the call is about one unit, which then must say who it is. */
function withDevice(
  data: XmlRpcValue | undefined,
  options: { readonly required: boolean },
  toCall: (deviceData: FactoryDeviceData) => ShopfloorCall,
): CheckedCall {
  if (data === undefined || !isXmlRpcStruct(data)) return invalid('data must be a struct (FactoryDeviceData)');
  const { kept, dropped } = toFactoryDeviceData(data);
  const [first] = dropped;
  if (first !== undefined) return invalid(`data is no FactoryDeviceData: ${first.key.slice(0, 64)} ${first.why}`);
  if (options.required && Object.keys(serialsOf(kept)).length === 0) {
    return invalid('data names no device: serials.mlb_serial_number or serials.serial_number must be there');
  }
  return valid(toCall(kept));
}

/** The serials a device says it has, by name; empty ones are none. */
export function serialsOf(deviceData: FactoryDeviceData): Readonly<Record<string, string>> {
  const serials: [string, string][] = [];
  for (const [key, value] of Object.entries(deviceData)) {
    if (typeof value !== 'string' || value === '') continue;
    if (key.startsWith('serials.')) serials.push([key.slice('serials.'.length), value]);
    // The client that runs after the wipe knows the unit by this bare key only.
    else if (key === 'serial_number' && !deviceData['serials.serial_number']) serials.push([key, value]);
  }
  return Object.fromEntries(serials);
}

function valid(call: ShopfloorCall): CheckedCall {
  return { kind: 'valid', call };
}

function invalid(text: string): CheckedCall {
  return { kind: 'invalid', code: FAULT_CODE.invalid, text };
}

function nonEmpty(value: XmlRpcValue | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
