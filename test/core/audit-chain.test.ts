import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type AuditFact,
  type AuditRecord,
  createChainCheck,
  headsIn,
  newChain,
  sealRecord,
} from '../../src/core/audit-chain.ts';

const REPLICA = '00000000-0000-4000-8000-000000000001';
const AT = new Date('2026-11-22T08:00:00Z');
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

const asked = (object: string): AuditFact => ({
  kind: 'asked',
  principal: 'ada@example',
  peer: '10.0.0.7:4711',
  verb: 'cancel-job',
  instance: 'line-1',
  object,
  reason: 'wrong unit',
  requestId: 'r-1',
});

const chainOf = (...facts: readonly AuditFact[]): readonly AuditRecord[] => {
  const records: AuditRecord[] = [];
  for (const fact of facts) records.push(sealRecord(records.at(-1) ?? newChain(REPLICA), fact, AT, digest));
  return records;
};

const wrongWith = (records: readonly AuditRecord[]): readonly string[] => {
  const chain = createChainCheck(REPLICA, digest);
  return records.flatMap((record) => chain.check(record)).map(({ seq, words }) => `${seq}: ${words}`);
};

const sound = chainOf(asked('job 1'), asked('job 2'), asked('job 3'), { kind: 'stopped' });
const [first, second, third, last] = sound as [AuditRecord, AuditRecord, AuditRecord, AuditRecord];

describe('a chain of the audit', () => {
  it('that its replica wrote holds, and says that the replica stopped', () => {
    const chain = createChainCheck(REPLICA, digest);
    expect(sound.flatMap((record) => chain.check(record))).toEqual([]);
    expect(chain.end()).toEqual({ head: { replica: REPLICA, seq: 4, hash: last.hash }, ended: true });
  });

  it('keeps what was asked as readable JSON, with its place and its time', () => {
    expect(JSON.parse(first.text)).toEqual({
      replica: REPLICA,
      seq: 1,
      at: '2026-11-22T08:00:00.000Z',
      ...asked('job 1'),
    });
  });

  it.each<[string, readonly AuditRecord[], readonly string[]]>([
    [
      'a record changed',
      [first, { ...second, text: second.text.replace('job 2', 'job 9') }, third],
      ['2: its text was changed'],
    ],
    ['a record left out', [first, third], ['3: records 2 to 2 are missing']],
    ['the beginning left out', [second, third], ['2: records 1 to 1 are missing']],
    [
      'a record and its hash changed, the rest as it was',
      [first, { ...sealRecord(first, asked('job 9'), AT, digest) }, third],
      ['3: it does not follow the record before it, one of the two was put there later'],
    ],
    [
      'a record copied from another chain',
      [first, { ...sealRecord({ ...first, replica: 'x' }, asked('job 2'), AT, digest), replica: REPLICA }],
      ['2: its text is of another record'],
    ],
    ['a record no JSON', [{ ...first, text: '{' }], ['1: its text was changed', '1: its text is of another record']],
    [
      'a record after the end',
      [...sound, sealRecord(last, asked('job 5'), AT, digest)],
      ['5: it was written after the chain had ended'],
    ],
  ])('with %s is found out', (_what, records, words) => {
    expect(wrongWith(records)).toEqual(words);
  });

  it('names the ends of other chains that it vouches for, and nothing that is none', () => {
    const head = { replica: '00000000-0000-4000-8000-000000000002', seq: 7, hash: 'ab' };
    const [started] = chainOf({ kind: 'started', version: '1', configuration: 'c', settings: null, heads: [head] });
    expect(headsIn(started!)).toEqual([head]);
    expect(headsIn({ ...first, text: '{"heads":[{"replica":1},null,7]}' })).toEqual([]);
    // What would make the database stumble over the question.
    for (const wrong of [{ replica: 'other' }, { seq: 1.5 }, { seq: 2 ** 64 }]) {
      expect(headsIn({ ...first, text: JSON.stringify({ heads: [{ ...head, ...wrong }] }) })).toEqual([]);
    }
  });
});
