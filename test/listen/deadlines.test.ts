import { expect, test } from 'vitest';
import { createDeadlines } from '../../src/listen/deadlines.ts';
import { createManualClock } from '../support/manual-clock.ts';

const open = () => {
  const clock = createManualClock();
  const expired: string[] = [];
  const deadlines = createDeadlines(100, clock);
  return { clock, expired, deadlines, begin: (name: string) => deadlines.begin(() => void expired.push(name)) };
};

test('what is not done in its time expires, each at its own', async () => {
  const { clock, expired, begin } = open();
  begin('first');
  await clock.advance(60);
  begin('second');
  await clock.advance(39);
  expect(expired).toEqual([]);
  await clock.advance(1);
  expect(expired).toEqual(['first']);
  await clock.advance(60);
  expect(expired).toEqual(['first', 'second']);
});

test('what is done does not expire, and what begins after a quiet time does', async () => {
  const { clock, expired, begin } = open();
  begin('done')();
  await clock.advance(1_000);
  begin('late');
  await clock.advance(100);
  expect(expired).toEqual(['late']);
});

test('after the stop nothing expires', async () => {
  const { clock, expired, begin, deadlines } = open();
  begin('before');
  deadlines.stop();
  begin('after');
  await clock.advance(1_000);
  expect(expired).toEqual([]);
});
