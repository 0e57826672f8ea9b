import { describe, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';

const start = (station: string): Partial<JournalLine> => ({ method: 'NotifyStart', station });
const end = (station: string): Partial<JournalLine> => ({ method: 'NotifyEnd', station });
const result = (testId: string, status = 'PASSED'): Partial<JournalLine> => ({
  method: 'UpdateTestResult',
  testId,
  status,
});

/** A journal of one device, each call under a key of its own, unless a line says otherwise. */
const journal = (...lines: Partial<JournalLine>[]): JournalLine[] =>
  lines.map((line, index) => ({
    ...{
      seq: index + 1,
      at: '2026-01-01T00:00:00.000Z',
      method: 'GetVersion',
      key: `key-${index + 1}`,
      device: 'C123',
    },
    ...{ serials: {}, station: null, testId: null, status: null, event: null, outcome: 'applied', faultCode: null },
    bodySha256: 'a',
    ...line,
  }));
const violations = (...lines: Partial<JournalLine>[]): string[] =>
  checkJournal(journal(...lines)).orderViolations.map(({ seq, why }) => `${seq}: ${why}`);

describe('order', () => {
  test.each<[string, Partial<JournalLine>[]]>([
    ['a pass', [start('SMT'), result('SMT.a'), end('SMT'), start('FAT'), end('FAT')]],
    [
      'a failure closed by the station itself',
      [start('SMT'), result('SMT.a', 'FAILED'), result('SMT', 'FAILED'), start('SMT')],
    ],
    [
      'a failure after which the line wants an end too',
      [start('SMT'), result('SMT', 'FAILED'), end('SMT'), start('SMT')],
    ],
    ['an event after the end', [start('GRT'), end('GRT'), { method: 'NotifyEvent', event: 'Finalize' }]],
    ['a question before the start', [{ method: 'GetDeviceInfo' }, start('FAT')]],
    [
      'two devices interleaved',
      [start('SMT'), { ...start('SMT'), device: 'C2' }, end('SMT'), { ...end('SMT'), device: 'C2' }],
    ],
    ['a faulted start, and the start again', [{ ...start('SMT'), outcome: 'fault' }, start('SMT'), end('SMT')]],
    ['a repeat out of its place', [start('SMT'), end('SMT'), { ...start('SMT'), key: 'key-1', outcome: 'repeated' }]],
    ['a call applied twice by a service without a memory', [start('SMT'), end('SMT'), { ...end('SMT'), key: 'key-2' }]],
  ])('%s is in order', (_name, lines) => {
    expect(violations(...lines)).toEqual([]);
  });

  test.each<[string, Partial<JournalLine>[], string[]]>([
    ['a result before the start', [result('SMT.a'), start('SMT')], ['1: reports SMT.a without a start']],
    ['a result after the end', [start('SMT'), end('SMT'), result('SMT.a')], ['3: reports SMT.a without a start']],
    [
      'a result after the closing failure',
      [start('SMT'), result('SMT', 'FAILED'), result('SMT.a')],
      ['3: reports SMT.a without a start'],
    ],
    ['an end without a start', [end('SMT')], ['1: ends SMT without a start']],
    ['two ends', [start('SMT'), end('SMT'), end('SMT')], ['3: ends SMT without a start']],
    ['the end of another station', [start('SMT'), end('FAT')], ['2: ends FAT while in SMT']],
    ['a start in the middle', [start('SMT'), start('FAT'), end('FAT')], ['2: starts FAT before SMT was closed']],
  ])('%s is not', (_name, lines, expected) => {
    expect(violations(...lines)).toEqual(expected);
  });
});

test('duplicates are counted by key, and must carry the same body', () => {
  const check = checkJournal(
    journal(
      start('SMT'),
      { ...start('SMT'), key: 'key-1', outcome: 'repeated' },
      { ...end('SMT'), key: 'key-1', outcome: 'key-reused', bodySha256: 'b' },
      { ...end('SMT'), key: 'key-4', outcome: 'fault' },
      { ...end('SMT'), key: 'key-4' },
      { ...end('SMT'), key: 'key-4' },
    ),
  );
  expect(check.duplicates).toEqual([
    { key: 'key-1', method: 'NotifyStart', device: 'C123', repeats: 2, sameBody: false, timesApplied: 1 },
    { key: 'key-4', method: 'NotifyEnd', device: 'C123', repeats: 1, sameBody: true, timesApplied: 2 },
  ]);
  expect(check).toMatchObject({ calls: 6, applied: 3, faults: 2, devices: 1, orderViolations: [], gapsAfter: [] });
});

test('open attempts, calls without key and gaps are shown', () => {
  const lines = journal(
    start('SMT'),
    { ...start('FAT'), device: 'C2', key: null },
    { ...end('FAT'), device: 'C2', seq: 4 },
  );
  expect(checkJournal(lines)).toMatchObject({
    openAttempts: [{ device: 'C123', station: 'SMT' }],
    withoutKey: 1,
    gapsAfter: [2],
  });
});
