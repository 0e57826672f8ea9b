import { expect, test } from 'vitest';
import { endOrphaned } from '../../src/main/end-orphaned.ts';
import { createManualClock } from '../support/manual-clock.ts';

const openOrphan = (primary: AbortController) => {
  const clock = createManualClock();
  const exits: number[] = [];
  endOrphaned({
    lost: primary.signal,
    stopMs: 20_000,
    log: { error: () => undefined },
    sleep: clock.sleep,
    exit: (code) => exits.push(code),
  });
  return { clock, exits };
};

test('a worker whose primary is gone, and whose stop hangs, ends itself; before that it has its time to stop', async () => {
  const primary = new AbortController();
  const { clock, exits } = openOrphan(primary);
  await clock.advance(60_000);
  expect(exits).toEqual([]);
  primary.abort();
  await clock.advance(19_999);
  expect(exits).toEqual([]);
  await clock.advance(1);
  expect(exits).toEqual([70]);
});

test('so does one that learns it only when it begins', async () => {
  const primary = new AbortController();
  primary.abort();
  const { clock, exits } = openOrphan(primary);
  await clock.advance(20_000);
  expect(exits).toEqual([70]);
});
