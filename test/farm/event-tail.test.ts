import { afterAll, beforeAll, expect, test } from 'vitest';
import { farmEvent } from '../../src/core/farm-event.ts';
import { createEventTail, type FollowedPage } from '../../src/farm/event-tail.ts';
import { appendEvents } from '../../src/store/farm-events.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm } from '../support/farm.ts';

let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database, limits: { streams: { paceMs: 1, eventsKept: 3 }, replica: { tickMs: 20 } } });
});
afterAll(() => database.drop());

const append = (...numbers: readonly number[]) =>
  appendEvents(
    database.pool,
    numbers.map((n) => farmEvent('BOT_EVENT', 'line-1', { facts: { n } })),
  );

/** As many as are wanted, in the order told. */
const take = async (pages: AsyncGenerator<FollowedPage, void, void>, wanted: number): Promise<unknown[]> => {
  const told: unknown[] = [];
  while (told.length < wanted) {
    const page = await pages.next();
    if (page.done === true) break;
    told.push(...page.value.events.map(({ facts }) => facts['n']));
  }
  return told;
};

test('all who follow hear everything once and in order, also who is further behind than what is kept', async () => {
  const tail = createEventTail(farm);
  const over = new AbortController();
  const [close, slow] = [tail.follow(null, over.signal), tail.follow(null, over.signal)];
  const begun = await slow.next();
  await close.next();
  const heard: unknown[] = [];
  for (const n of [0, 3, 6, 9]) {
    await append(n, n + 1, n + 2);
    heard.push(...(await take(close, 3)));
  }
  const all = Array.from({ length: 12 }, (_, n) => n);
  expect(heard).toEqual(all);
  expect(await take(slow, 12)).toEqual(all);
  // And from where somebody was, who comes back when nobody had followed for a while.
  over.abort();
  await Promise.all([close.return(), slow.return()]);
  const later = new AbortController();
  const back = tail.follow(begun.done === true ? null : begun.value.upTo, later.signal);
  expect(await take(back, 12)).toEqual(all);
  await append(12);
  expect(await take(back, 1)).toEqual([12]);
  later.abort();
  expect((await back.next()).done).toBe(true);
});
