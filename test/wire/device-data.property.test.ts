import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toDeviceData, toFactoryDeviceData } from '../../src/wire/device-data.ts';
import type { XmlRpcValue } from '../../src/wire/xml-rpc.ts';

const key = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        'serials.',
        'factory.',
        'vpd.ro.',
        'vpd.rw.',
        'component.',
        'component.has_',
        'feature_management.',
        '',
      ),
      fc.constantFrom('a', 'a.b', '', 'serial_number', 'hwid', 'action', '__proto__', 'ubind_attribute', '\n', 'ü'),
    )
    .map((parts) => parts.join('')),
  fc.string(),
);
const { value } = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null), fc.uint8Array()),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
  ),
}));
const struct = fc.dictionary(key, value, { maxKeys: 8 });
const hasBinary = (said: unknown): boolean =>
  said instanceof Uint8Array || (typeof said === 'object' && said !== null && Object.values(said).some(hasBinary));

describe('reading a struct of the Shopfloor Service, whatever is in it', () => {
  it('takes or drops each key, with a reason; one bad key costs none of the others', () => {
    fc.assert(
      fc.property(struct, (said) => {
        const { kept, dropped, action } = toDeviceData(said);
        const keys = [...Object.keys(kept), ...dropped.map((each) => each.key)];
        const expected = Object.keys(said).filter(
          (name) => name !== 'action' || dropped.some((each) => each.key === name),
        );
        expect(keys.sort()).toEqual(expected.sort());
        expect(dropped.every(({ why }) => why !== '')).toBe(true);
        if (typeof said['action'] === 'string') expect(action).toBe(said['action']);
        for (const name of Object.keys(kept)) expect(kept[name]).toBe(said[name]);
      }),
    );
  });

  it('keeps what it would keep again, and what JSON can hold', () => {
    fc.assert(
      fc.property(struct, (said) => {
        const { kept } = toDeviceData(said);
        expect(hasBinary(kept)).toBe(false);
        expect(toDeviceData(kept)).toEqual({ kept, dropped: [], action: null });
        const told = toFactoryDeviceData(said).kept;
        expect(toFactoryDeviceData(told).kept).toEqual(told);
        // Registration codes live in VPD, and never travel to a shopfloor.
        expect(Object.keys(told).filter((name) => name.startsWith('vpd.'))).toEqual([]);
      }),
    );
  });
});
