import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { checkTask } from '../../src/core/task.ts';
import { workBytes } from '../../src/core/work-size.ts';
import { packWork } from '../../src/fronts/grpc/convert-work.ts';
import { arbitraryTask } from '../support/arbitrary-jobs.ts';

test('work is never larger in a lease than it was counted, nor as JSON', () => {
  fc.assert(
    fc.property(arbitraryTask, (task) => {
      if (task.kind !== 'work') return;
      const bytes = workBytes(task.work);
      expect(packWork(task.work).value.length).toBeLessThanOrEqual(bytes);
      expect(Buffer.byteLength(JSON.stringify(task.work))).toBeLessThanOrEqual(bytes);
    }),
  );
});

const withArgs = (args: Record<string, unknown>) => ({
  station: 'FAT',
  tests: [{ testId: 'probe', run: null, args, timeoutMs: null }],
});

test.each([
  ['a list of numbers', { list: Array(50_000).fill(1) }],
  ['texts', { text: 'é'.repeat(100_000), more: Array(1000).fill('abc') }],
  ['what is nested', { a: { b: [{ c: null, d: [true, false] }] } }],
])('the count is close to what a lease has of %s', (_what, args) => {
  const work = withArgs(args);
  const { length } = packWork(work).value;
  expect(workBytes(work)).toBeGreaterThanOrEqual(length);
  expect(workBytes(work)).toBeLessThan(length * 1.05 + 150);
});

test('a list of numbers that fits as JSON, and in no lease, is refused', () => {
  const refuse = (count: number) => () =>
    checkTask('FAT', { kind: 'work', work: withArgs({ list: Array(count).fill(1) }) }, defaultLimits);
  expect(refuse(90_000)).not.toThrow();
  expect(refuse(200_000)).toThrow(expect.objectContaining({ reason: 'PAYLOAD_TOO_BIG' }));
});
