import { describe, expect, it } from 'vitest';
import { handsBack, holdMs, statusName, takesWork } from '../../src/core/bot-session.ts';

const limits = { holdMaxMs: 45_000, ttlMs: 90_000 };

describe('how long a poll is held', () => {
  it.each([
    [500, 200],
    [3_000, 2_400],
    [9_000, 7_200],
    [31_000, 24_800],
    [50_000, 40_000],
    [600_000, 45_000],
    [null, 45_000],
    // Too short to wait at all, or over already.
    [300, 0],
    [0, 0],
    [-5_000, 0],
  ])('with %s ms to the deadline: %i ms', (untilDeadlineMs, held) => {
    expect(holdMs(untilDeadlineMs, limits, 0)).toBe(held);
  });

  it('is never more than 0.8 of the time to live', () => {
    expect(holdMs(null, { ...limits, ttlMs: 10_000 }, 0)).toBe(8_000);
  });

  it('is shortened by up to a tenth, so that bots do not call in waves', () => {
    expect(holdMs(null, limits, 0.5)).toBe(45_000 * 0.95);
    expect(holdMs(null, limits, 0.999)).toBeGreaterThan(45_000 * 0.9);
  });
});

describe('a status', () => {
  it.each([
    [0, 'UNSPECIFIED', false, false],
    [1, 'OK', true, false],
    [2, 'UNHEALTHY', false, false],
    [3, 'HOST_REBOOTING', false, true],
    [4, 'BOT_TERMINATING', false, true],
    [5, 'INITIALIZING', false, false],
    [6, 'MAINTENANCE', false, false],
    [42, 'STATUS_42', false, false],
    [-1, 'STATUS_-1', false, false],
  ])('%i is %s; takes work: %s, hands back: %s', (status, name, takes, back) => {
    expect([statusName(status), takesWork(status), handsBack(status)]).toEqual([name, takes, back]);
  });
});
