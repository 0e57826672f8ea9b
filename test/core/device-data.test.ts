import { describe, expect, it } from 'vitest';
import { dottedRecord, mergeDeviceData } from '../../src/core/device-data.ts';

const limits = { serialsMax: 3, serialBytesMax: 8, serialNameBytesMax: 30, componentsMax: 4, recordBytesMax: 400 };
const record = {
  data: { 'factory.line': 'L4', 'component.has_camera': true },
  serials: { 'serials.mlb_serial_number': 'C123' },
  serialCount: 1,
};
const merge = (reply: Readonly<Record<string, unknown>>) => mergeDeviceData(record, reply, limits);

describe('what a shopfloor says of a unit', () => {
  it('is set key by key, over what was known', () => {
    const { data, changed } = merge({ 'factory.line': 'L5', 'vpd.ro.region': 'us' });
    expect(data).toEqual({ 'factory.line': 'L5', 'component.has_camera': true, 'vpd.ro.region': 'us' });
    expect(changed).toBe(true);
  });

  it('changes nothing when it is known', () => {
    expect(merge({ 'factory.line': 'L4', 'serials.mlb_serial_number': 'C123' })).toEqual({
      data: record.data,
      serials: [],
      dropped: [],
      changed: false,
    });
  });

  it('deletes a key by nil', () => {
    expect(merge({ 'component.has_camera': null }).data).toEqual({ 'factory.line': 'L4' });
  });

  it('makes an alias of a serial', () => {
    const merged = merge({ 'serials.serial_number': 'A1234' });
    expect(merged.serials).toEqual([{ name: 'serials.serial_number', value: 'A1234' }]);
    expect(merged.data).toEqual(record.data);
  });

  it.each([
    ['the deletion of a key that the unit does not have', { 'factory.absent': null }, 'deletes a key'],
    ['the deletion of a serial', { 'serials.mlb_serial_number': null }, 'would delete a serial'],
    ['an empty serial', { 'serials.serial_number': '' }, 'is an empty serial'],
    ['a serial that is too long', { 'serials.serial_number': 'ÄÖÜ-12' }, 'is longer than 8 bytes'],
    ['a serial whose name is too long', { ['serials.'.padEnd(31, 'x')]: 'A1' }, 'has a name of more than 30 bytes'],
    ['a registration code', { 'vpd.rw.ubind_attribute': 'a'.repeat(72) }, 'is a registration code'],
    ['a record that grows too large', { 'factory.note': 'x'.repeat(400) }, 'makes the record larger'],
  ])('is taken without %s, which is reported', (_name, reply, why) => {
    const { data, dropped, changed, serials } = merge(reply);
    expect({ data, changed, serials }).toEqual({ data: record.data, changed: false, serials: [] });
    expect(dropped).toEqual([{ key: Object.keys(reply)[0], why: expect.stringContaining(why) }]);
  });

  it('keeps to the limits of keys and serials, and takes what fits', () => {
    const merged = merge({
      'factory.a': 1,
      'factory.b': 2,
      'factory.c': 3,
      'serials.a': 'a',
      'serials.b': 'b',
      'serials.c': 'c',
    });
    expect(Object.keys(merged.data)).toEqual(['factory.line', 'component.has_camera', 'factory.a', 'factory.b']);
    expect(merged.serials.map(({ name }) => name)).toEqual(['serials.a', 'serials.b']);
    expect(merged.dropped.map(({ key }) => key)).toEqual(['factory.c', 'serials.c']);
  });

  it('counts former values of a serial, so that a new one at every call comes to an end', () => {
    const { serials, dropped } = mergeDeviceData(
      { ...record, serialCount: 3 },
      { 'serials.mlb_serial_number': 'C4' },
      limits,
    );
    expect(serials).toEqual([]);
    expect(dropped).toEqual([{ key: 'serials.mlb_serial_number', why: 'is more than 3 serials' }]);
  });

  it('is told back with the serials among the keys', () => {
    expect(dottedRecord(record)).toEqual({ ...record.data, 'serials.mlb_serial_number': 'C123' });
  });
});
