/** A shopfloor call as the bytes the partner will see: journalled once, identical at every attempt. */
import assert from 'node:assert/strict';
import type { OwedCall } from '../core/shopfloor-call.ts';
import { toFactoryDeviceData } from '../wire/device-data.ts';
import type { XmlRpcStruct, XmlRpcValue } from '../wire/xml-rpc.ts';
import { encodeCall } from '../wire/xml-rpc.ts';

/** An owed call, or the question what a unit should be. */
export type RenderableCall =
  (Omit<OwedCall, 'gate' | 'station'> & { readonly station: string }) | { readonly method: 'GetDeviceInfo' };

/**
 * Renders a call from the device's record. Only FactoryDeviceData travels: whatever else the record holds, VPD above
 * all, stays here.
 */
export function renderCall(call: RenderableCall, deviceRecord: Readonly<Record<string, unknown>>): string {
  const { kept } = toFactoryDeviceData(toXmlRpcStruct(deviceRecord));
  // A unit without a hardware id has no such key; an empty one would be taken for its id.
  const { hwid, ...withoutHwid } = kept;
  const device = hwid === '' || hwid === null ? withoutHwid : kept;
  return encodeCall(call.method, [device, ...paramsOf(call)]);
}

function paramsOf(call: RenderableCall): readonly XmlRpcValue[] {
  switch (call.method) {
    case 'NotifyStart':
    case 'NotifyEnd':
      return [call.station];
    case 'UpdateTestResult':
      assert(call.testId !== null && call.status !== null, 'a test result has a test id and a status');
      // Always four: upstream sends nil for absent details, and partner code is written against that.
      return [call.testId, call.status, call.details === null ? null : toXmlRpcStruct(call.details)];
    case 'NotifyEvent':
      assert(call.event !== null, 'a shopfloor event has a name');
      return [call.event];
    case 'GetDeviceInfo':
      return [];
  }
}

function toXmlRpcStruct(value: Readonly<Record<string, unknown>>): XmlRpcStruct {
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, toXmlRpcValue(member)]));
}

/** JSON as it was kept, in the words of XML-RPC. */
function toXmlRpcValue(value: unknown): XmlRpcValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  if (Array.isArray(value)) return value.map(toXmlRpcValue);
  assert(typeof value === 'object', 'a kept value is JSON');
  return toXmlRpcStruct(value as Readonly<Record<string, unknown>>);
}
