/** Each of the credentials has one signal and one timer, however often they are looked at again. */
import { expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { createRemembered } from '../../src/identity/remembered.ts';
import { createManualClock } from '../support/manual-clock.ts';

const HOUR_MS = 3_600_000;

const open = (rememberedMax = 100) => {
  const manual = createManualClock();
  let timers = 0;
  const clock: Clock = {
    ...manual,
    sleep: async (ms, signal) => {
      timers += 1;
      await manual.sleep(ms, signal);
      timers -= 1;
    },
  };
  const expired = (): Refusal => new Refusal('UNAUTHENTICATED', 'EXPIRED', 'They have expired.');
  const remembered = createRemembered({ clock, rememberedMax, expired });
  return {
    ...remembered,
    keepFor: (key: string, ms: number) => remembered.keep(key, { endsAtMs: manual.now().getTime() + ms }).until,
    advance: manual.advance,
    /** That run once all that was woken has run. */
    timers: async () => {
      await manual.advance(0);
      return timers;
    },
  };
};

const takenBack = new Refusal('UNAVAILABLE', 'TAKEN_BACK', 'Call again.');

it('keeps the signal and the timer of what it remembers already, and takes what is newly said', async () => {
  const { keep, find, timers } = open();
  const endsAtMs = Number.MAX_SAFE_INTEGER;
  const { until } = keep('a', { endsAtMs });
  for (let looks = 0; looks < 50; looks += 1) expect(keep('a', { endsAtMs }).until).toBe(until);
  const said = { endsAtMs };
  keep('a', said);
  expect(find('a')?.said).toBe(said);
  expect(await timers()).toBe(1);
});

it('ends each in its time, and forgets it', async () => {
  const { keepFor, find, advance, timers } = open();
  const [shorter, longer] = [keepFor('a', HOUR_MS), keepFor('b', 2 * HOUR_MS)];
  await advance(HOUR_MS - 1);
  expect([shorter.aborted, longer.aborted]).toEqual([false, false]);
  await advance(1);
  expect(shorter.reason).toMatchObject({ reason: 'EXPIRED' });
  expect([longer.aborted, find('a'), await timers()]).toEqual([false, null, 1]);
});

it('lets go of those that were asked about least lately, with their calls and their timers', async () => {
  const { keepFor, find, timers } = open(2);
  const [a, b] = [keepFor('a', HOUR_MS), keepFor('b', HOUR_MS)];
  find('a');
  keepFor('c', HOUR_MS);
  expect(b.reason).toMatchObject({ kind: 'UNAVAILABLE', reason: 'CREDENTIALS_LET_GO' });
  expect([a.aborted, find('b')]).toEqual([false, null]);
  // More than it remembers, in turn, as a fleet too large would: no timer is left behind.
  for (let call = 0; call < 100; call += 1) keepFor(String(call % 3), HOUR_MS);
  expect(await timers()).toBe(2);
});

it('ends one, or all, with the words it is given', async () => {
  const { keepFor, end, endAll, find, timers } = open();
  const [a, b, c] = ['a', 'b', 'c'].map((key) => keepFor(key, HOUR_MS));
  end('a', takenBack);
  end('nobody', takenBack);
  expect([a?.reason, b?.aborted, c?.aborted]).toEqual([takenBack, false, false]);
  endAll(takenBack);
  expect([b?.reason, c?.reason, find('b'), await timers()]).toEqual([takenBack, takenBack, null, 0]);
});

it('waits for nothing once it is stopped, and ends nothing', async () => {
  const { keepFor, stop, timers } = open();
  const before = keepFor('a', HOUR_MS);
  stop();
  const after = keepFor('b', HOUR_MS);
  expect([before.aborted, after.aborted, await timers()]).toEqual([false, false, 0]);
});
