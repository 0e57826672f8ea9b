import { describe, expect, it } from 'vitest';
import { type Registration, watchTakeovers } from '../../src/core/takeover.ts';

const limits = { takeoversMax: 3, takeoverWindowMs: 300_000 };
const START = Date.parse('2026-03-01T08:00:00Z');

/** Registers the peers one after another, so many ms apart; the alarms, one for each. */
const alarms = (peers: readonly string[], apartMs = 1_000): (string | null)[] => {
  let before: readonly Registration[] = [];
  return peers.map((peer, index) => {
    const now = { at: new Date(START + index * apartMs).toISOString(), peer };
    const { registrations, alarm } = watchTakeovers(before, now, limits);
    before = registrations;
    return alarm;
  });
};

describe('the takeover watch', () => {
  it('raises the alarm at the third turn of two peers, and names both', () => {
    const raised = alarms(['a', 'b', 'a', 'b', 'a']);
    expect(raised.slice(0, 4)).toEqual([null, null, null, null]);
    expect(raised[4]).toMatch(/two machines use this bot_id in turn: a and b/);
  });

  it('lets a bot restart as often as it likes, from the same place or from a new one each time', () => {
    expect(alarms(Array<string>(20).fill('a')).every((alarm) => alarm === null)).toBe(true);
    expect(alarms(Array.from({ length: 20 }, (_, n) => `a:${n}`)).every((alarm) => alarm === null)).toBe(true);
  });

  it('forgets what is older than its window', () => {
    expect(alarms(['a', 'b', 'a', 'b', 'a', 'b', 'a'], 100_000).every((alarm) => alarm === null)).toBe(true);
  });

  it('starts anew after an alarm, and never remembers more than a few', () => {
    expect(alarms(['a', 'b', 'a', 'b', 'a', 'b', 'a'])[6]).toBe(null);
    const many = Array.from({ length: 40 }, (_, n) => ({ at: new Date(START).toISOString(), peer: String(n) }));
    const now = { at: new Date(START).toISOString(), peer: 'x' };
    expect(watchTakeovers(many, now, limits).registrations.length).toBeLessThanOrEqual(16);
  });
});
