import { expect, test } from 'vitest';
import { type Heard, homeWord, isCutOff, sessionsToRenew, wordSince } from '../../src/core/home-word.ts';

const MAX_MS = 20_000;

test.each([
  // now, written, silent since
  [20_000, 0, null, 'good'],
  [20_000, 0, 0, 'good'],
  [20_001, 0, null, 'old'],
  [20_001, 0, 0, 'cut off'],
  // Its bot was silent, and a heartbeat has just failed: the database may well be there.
  [60_000, 0, 55_000, 'old'],
  // Attached a moment ago, so the database was there.
  [60_000, 59_000, 0, 'good'],
] as const)('at %i, written at %i, the database silent since %s: %s', (nowMs, writtenMs, silentSinceMs, word) => {
  expect(homeWord({ nowMs, writtenMs, silentSinceMs }, MAX_MS)).toBe(word);
});

test.each([
  [20_000, 0, false],
  [20_001, 0, true],
  [90_000, null, false],
] as const)('at %i, silent since %s, a replica is cut off: %s', (nowMs, silentSinceMs, is) => {
  expect(isCutOff({ nowMs, silentSinceMs }, MAX_MS)).toBe(is);
});

const TTL_MS = 90_000;
const HELD = { size: 1 };
const NONE = { size: 0 };
const TICK_MS = 5_000;

test.each([
  // A busy bot must have been heard of itself.
  [{ writtenMs: 10_000, leases: HELD }, 10_000],
  // For an idle one the heartbeat of its home will do,
  [{ writtenMs: 10_000, leases: NONE }, 69_000],
  // unless it could lapse soon,
  [{ writtenMs: 9_999, leases: NONE }, 9_999],
  // and what is newer than the heartbeat counts by itself.
  [{ writtenMs: 69_500, leases: NONE }, 69_500],
])('at 70 s, with a heartbeat at 69 s, the word on %o counts since %i', (heard, since) => {
  expect(wordSince(heard, { nowMs: 70_000, beatMs: 69_000, ttlMs: TTL_MS })).toBe(since);
});

const renewed = (sessions: readonly Heard[], nowMs: number) =>
  sessionsToRenew(sessions, { nowMs, tickMs: TICK_MS, silentMaxMs: MAX_MS, ttlMs: TTL_MS });

test('a heartbeat renews nobody who was not heard of since', () => {
  const heard = { seenMs: 4_000, writtenMs: 0, leases: HELD };
  const silent = { seenMs: 0, writtenMs: 0, leases: HELD };
  expect(renewed([heard, silent, { ...silent, leases: NONE }], 5_000)).toEqual([heard]);
});

test.each([
  ['busy', HELD, MAX_MS - 2 * TICK_MS, 1000 / 2],
  ['idle', NONE, TTL_MS / 2, Math.ceil(1000 / 9)],
])(
  '%s sessions that came all at once are renewed in turns, and no word becomes too old',
  (_, leases, roundMs, most) => {
    const sessions = Array.from({ length: 1000 }, () => ({ seenMs: 0, writtenMs: 0, leases }));
    const counts: number[] = [];
    for (let nowMs = TICK_MS; nowMs <= 20 * TTL_MS; nowMs += TICK_MS) {
      for (const session of sessions) session.seenMs = nowMs;
      const due = new Set(renewed(sessions, nowMs));
      for (const session of sessions) if (due.has(session)) session.writtenMs = nowMs;
      counts.push(due.size);
      expect(Math.max(...sessions.map(({ writtenMs }) => nowMs - writtenMs))).toBeLessThanOrEqual(roundMs);
    }
    expect(Math.max(...counts)).toBe(most);
  },
);

test('a session that the database kept busy goes ahead of its share when its time comes', () => {
  const late = Array.from({ length: 10 }, () => ({ seenMs: 56_000, writtenMs: 0, leases: NONE }));
  expect(renewed(late, 56_000)).toHaveLength(10);
});
