import { describe, expect, test } from 'vitest';
import { toDeviceData, toFactoryDeviceData } from '../../src/wire/device-data.ts';
import type { XmlRpcValue } from '../../src/wire/xml-rpc.ts';

describe('toDeviceData', () => {
  test('keeps what a device accepts', () => {
    const answer = {
      ...{ 'serials.serial_number': 'A1234', 'factory.line': 'L4', 'factory.count': 2, 'factory.old': null },
      ...{ 'vpd.ro.region': 'us', 'vpd.rw.ubind_attribute': '', hwid: 'LINK A2C-B3D' },
      ...{ 'component.has_touchscreen': true, 'component.has_camera': 2, 'component.sku': 'x' },
      'feature_management.chassis': 'a',
    };
    expect(toDeviceData(answer)).toEqual({ kept: answer, dropped: [], action: null });
  });

  test.each<[string, XmlRpcValue, string]>([
    ['serial_number', 'A1', 'is no key of this struct'],
    ['serials.a.b', 'A1', 'is no key of this struct'],
    ['serials.serial_number', 7, 'is not a string'],
    ['hwid', true, 'is not a string'],
    ['hwid.x', 'x', 'is no key of this struct'],
    ['factory.', 'x', 'is no key of this struct'],
    ['factory.deep', {}, 'is not a scalar'],
    ['vpd.ro', 'x', 'is no key of this struct'],
    ['vpd.ro.a.b', 'x', 'is no key of this struct'],
    ['vpd.xx.a', 'x', 'is no key of this struct'],
    ['vpd.ro.region', 1, 'is not a string'],
    ['component.has_camera', 'Y', 'is neither a boolean nor a whole number'],
    ['component.has_camera', 1.5, 'is neither a boolean nor a whole number'],
    ['component.blob', { deep: [new Uint8Array(1)] }, 'holds binary'],
    ['__proto__', 'x', 'is no key of this struct'],
  ])('drops %s = %j and says why', (key, value, why) => {
    const answer = Object.fromEntries([
      ['factory.line', 'L4'],
      [key, value],
    ]);
    expect(toDeviceData(answer)).toEqual({ kept: { 'factory.line': 'L4' }, dropped: [{ key, why }], action: null });
  });

  test('an action is read apart and never kept', () => {
    expect(toDeviceData({ action: 're-run' })).toEqual({ kept: {}, dropped: [], action: 're-run' });
    expect(toDeviceData({ action: null })).toEqual({ kept: {}, dropped: [], action: null });
    expect(toDeviceData({ action: 1 })).toMatchObject({ action: null, dropped: [{ key: 'action' }] });
  });

  test('a deletion is kept only for a key the device has, once it is known which', () => {
    const answer = { 'factory.a': null, 'factory.b': null };
    expect(toDeviceData(answer, new Set(['factory.a']))).toEqual({
      kept: { 'factory.a': null },
      dropped: [{ key: 'factory.b', why: 'deletes a key that the device does not have' }],
      action: null,
    });
  });
});

test('toFactoryDeviceData knows the bare serial number of the post-wipe client, and no VPD', () => {
  const said = {
    serial_number: 'A1',
    'vpd.rw.gbind_attribute': 'x',
    'component.sku': 'y',
    'factory.b': new Uint8Array(1),
  };
  const { kept, dropped } = toFactoryDeviceData(said);
  expect(kept).toEqual({ serial_number: 'A1' });
  expect(dropped.map(({ key }) => key)).toEqual(['vpd.rw.gbind_attribute', 'component.sku', 'factory.b']);
});
