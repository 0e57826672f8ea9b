import { describe, expect, it } from 'vitest';
import { takeAnswer } from '../../src/bridge/take-answer.ts';

const limits = { wordsBytesMax: 40, replyKeptBytesMax: 60 };

describe('what the farm is told of a call', () => {
  it('is the DeviceData that a device may see, the action apart, and the rest by name', () => {
    const value = { 'factory.line': 'L4', action: 're-run', verdict: 'OK', 'component.has_touch': 'yes' };
    expect(takeAnswer({ kind: 'answered', value }, limits)).toMatchObject({
      outcome: 'answered',
      words: null,
      reply: {
        deviceData: { 'factory.line': 'L4' },
        action: 're-run',
        dropped: [
          { key: 'verdict', why: 'is no key of this struct' },
          { key: 'component.has_touch', why: 'is neither a boolean nor a whole number' },
        ],
      },
    });
  });

  it('is the whole answer for people, registration codes redacted', () => {
    const value = { 'vpd.rw.ubind_attribute': 'a'.repeat(72) };
    const { reply } = takeAnswer({ kind: 'answered', value }, limits);
    expect(reply?.answer).toEqual({ 'vpd.rw.ubind_attribute': '<redacted 72 chars>' });
  });

  it('is how an answer begins that is too large to keep', () => {
    const { reply } = takeAnswer({ kind: 'answered', value: { 'factory.note': 'é'.repeat(100) } }, limits);
    expect(reply?.answer).toEqual({ bytes: 219, begins: expect.stringMatching(/^\{"factory.note":"éé/) });
  });

  it('is a fault when the answer is no struct', () => {
    const said = takeAnswer({ kind: 'answered', value: null }, { ...limits, wordsBytesMax: 100 });
    expect(said).toEqual({
      outcome: 'fault',
      code: -32500,
      words: 'fault -32500: service returned no data',
      reply: null,
    });
  });

  it('is the end of a long fault, where the reason stands', () => {
    const text = `Traceback (most recent call last):\n  File "x.py"\nFault: unit C123 not routed to FAT`;
    expect(takeAnswer({ kind: 'fault', code: 1, text }, limits).words).toBe(
      '…x.py"\nFault: unit C123 not routed to FAT',
    );
  });

  it.each(['refused', 'ambiguous'] as const)('is %s, and why', (kind) => {
    const said = takeAnswer({ kind, why: 'no connection (ECONNREFUSED)' }, limits);
    expect(said).toEqual({ outcome: kind, code: null, words: 'no connection (ECONNREFUSED)', reply: null });
  });
});
