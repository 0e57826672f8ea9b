import { describe, expect, test } from 'vitest';
import { renderCall } from '../../src/bridge/render-call.ts';
import { callOfEvent, callOfResult, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { decodeCall } from '../../src/wire/xml-rpc.ts';

const RECORD = { 'serials.mlb_serial_number': 'C123', 'factory.line': 'L4', hwid: 'LINK A2C-B3D' };

describe('renderCall', () => {
  test('NotifyStart, byte for byte', () => {
    expect(renderCall(callsOfStart('SMT', false)[0]!, RECORD)).toBe(
      '<?xml version="1.0"?><methodCall><methodName>NotifyStart</methodName><params><param><value><struct>' +
        '<member><name>serials.mlb_serial_number</name><value><string>C123</string></value></member>' +
        '<member><name>factory.line</name><value><string>L4</string></value></member>' +
        '<member><name>hwid</name><value><string>LINK A2C-B3D</string></value></member>' +
        '</struct></value></param><param><value><string>SMT</string></value></param></params></methodCall>',
    );
  });

  test.each([
    ['with details', { error_message: 'dead pixel', measurements: [{ name: 'lux', value: 1.5 }] }],
    ['with nil where there are none', null],
  ])('UpdateTestResult has four arguments, %s', (_name, details) => {
    const call = callOfResult('SMT', { testId: 'SMT.Display', status: 'FAILED', details });
    expect(decodeCall(renderCall(call, RECORD))).toEqual({
      kind: 'call',
      method: 'UpdateTestResult',
      params: [RECORD, 'SMT.Display', 'FAILED', details],
    });
  });

  test('NotifyEvent and GetDeviceInfo', () => {
    expect(decodeCall(renderCall(callOfEvent('GRT', 'Finalize'), RECORD))).toMatchObject({
      params: [RECORD, 'Finalize'],
    });
    expect(decodeCall(renderCall({ method: 'GetDeviceInfo' }, RECORD))).toMatchObject({ params: [RECORD] });
  });

  test('only FactoryDeviceData travels: no VPD, no component, nothing nested, no empty hwid', () => {
    const record = {
      ...{ 'serials.serial_number': 'A1234', 'serials.a.b': 'x', 'factory.n': 2, 'factory.deep': { a: 1 }, hwid: '' },
      ...{ 'vpd.rw.ubind_attribute': 'secret', 'component.has_camera': 1, action: 're-run' },
    };
    const body = renderCall({ method: 'GetDeviceInfo' }, record);
    expect(decodeCall(body)).toMatchObject({ params: [{ 'serials.serial_number': 'A1234', 'factory.n': 2 }] });
    expect(body).not.toContain('secret');
    expect(body).not.toContain('hwid');
  });
});
