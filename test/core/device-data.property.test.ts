import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeDeviceData } from '../../src/core/device-data.ts';

const limits = { serialsMax: 3, serialBytesMax: 8, serialNameBytesMax: 30, componentsMax: 4, recordBytesMax: 160 };
const key = fc.constantFrom(
  ...['serials.a', 'serials.b', 'factory.x', 'factory.y', 'hwid', 'vpd.rw.ubind_attribute', 'component.has_b'],
  ...['__proto__', 'component.deep', 'stable_device_secret_DO_NOT_SHARE'],
);
const value = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer(), fc.constant(null), fc.boolean());
const reply = fc.dictionary(key, value, { maxKeys: 8, noNullPrototype: false });
const none = { data: {}, serials: {}, serialCount: 0 };

describe('merging what shopfloors say', () => {
  it('keeps every record within its limits, and no secret, whatever they say one after another', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), (replies) => {
        let record: Parameters<typeof mergeDeviceData>[0] = none;
        for (const said of replies) {
          const merged = mergeDeviceData(record, said, limits);
          expect(Buffer.byteLength(JSON.stringify(merged.data))).toBeLessThanOrEqual(limits.recordBytesMax);
          expect(Object.keys(merged.data).length).toBeLessThanOrEqual(limits.componentsMax);
          expect(record.serialCount + merged.serials.length).toBeLessThanOrEqual(limits.serialsMax);
          expect(JSON.stringify(merged.data)).not.toMatch(/bind_attribute|DO_NOT_SHARE/);
          const serials = Object.fromEntries(merged.serials.map(({ name, value: serial }) => [name, serial]));
          record = {
            data: merged.data,
            serials: { ...record.serials, ...serials },
            serialCount: record.serialCount + merged.serials.length,
          };
        }
      }),
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(reply, (said) => {
        const first = mergeDeviceData(none, said, limits);
        const serials = Object.fromEntries(first.serials.map(({ name, value: serial }) => [name, serial]));
        const record = { data: first.data, serials, serialCount: first.serials.length };
        const again = mergeDeviceData(record, said, limits);
        // A key that was left out for want of room may find some where another was deleted; nothing else moves.
        if (first.dropped.length === 0) expect([again.changed, again.serials]).toEqual([false, []]);
      }),
    );
  });
});
