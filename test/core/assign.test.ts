import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, type Offer, type Seeker } from '../../src/core/assign.ts';

const seeker = (botId: string, changes: Partial<Seeker> = {}): Seeker => ({
  session: botId,
  instance: 'line-1',
  botId,
  wanted: 1,
  deviceIds: [],
  serves: () => true,
  ...changes,
});
const offer = (id: number, changes: Partial<Offer> = {}): Offer => ({
  id,
  requirementId: 1,
  deviceId: null,
  requestedBotId: null,
  avoidedBots: [],
  ...changes,
});
const made = (...given: Parameters<typeof assign>) =>
  assign(...given).map(({ seeker: { botId }, offer: { id }, deviceId }) => [id, botId, deviceId]);
const always = () => true;

describe('assigning', () => {
  it('goes down the offers in their order, and over a bot that is full to the next', () => {
    const offers = [offer(3), offer(1), offer(2)];
    expect(made([seeker('a', { wanted: 2 }), seeker('b')], offers, always)).toEqual([
      [3, 'a', null],
      [1, 'a', null],
      [2, 'b', null],
    ]);
  });

  it('gives nothing to who wants nothing', () => {
    expect(made([seeker('a', { wanted: 0 })], [offer(1)], always)).toEqual([]);
  });

  it('passes over what nobody here can take, and delays nothing by it', () => {
    const offers = [
      offer(1, { requirementId: 9 }),
      offer(2, { requestedBotId: 'elsewhere' }),
      offer(3, { avoidedBots: ['a'] }),
      offer(4, { deviceId: 7 }),
      offer(5),
    ];
    expect(made([seeker('a', { serves: (id) => id === 1 })], offers, always)).toEqual([[5, 'a', null]]);
  });

  it('runs unpinned work on the primary DUT, and pinned work on the one that it is for', () => {
    const declares = seeker('a', { wanted: 2, deviceIds: [10, 11] });
    expect(made([declares], [offer(1, { deviceId: 11 }), offer(2)], always)).toEqual([
      [1, 'a', 11],
      [2, 'a', 10],
    ]);
  });

  it('keeps a DUT that is not free out of it, whoever wants it', () => {
    const bots = [seeker('a', { deviceIds: [10] }), seeker('b', { deviceIds: [11] })];
    expect(made(bots, [offer(1)], (id) => id !== 10)).toEqual([[1, 'b', 11]]);
  });

  it('whatever is offered to whomever: rightly, within bounds, in order, and nothing is left that could have gone', () => {
    const botIds = ['a', 'b', 'c', 'd'];
    const devices = [1, 2, 3];
    const seekers = fc.uniqueArray(
      fc.record({
        botId: fc.constantFrom(...botIds),
        wanted: fc.nat(3),
        deviceIds: fc.uniqueArray(fc.constantFrom(...devices)),
        served: fc.uniqueArray(fc.nat(2)),
      }),
      { selector: ({ botId }) => botId },
    );
    const offers = fc.uniqueArray(
      fc.record({
        id: fc.nat(50),
        requirementId: fc.nat(2),
        deviceId: fc.option(fc.constantFrom(...devices)),
        requestedBotId: fc.option(fc.constantFrom(...botIds), { freq: 4 }),
        avoidedBots: fc.uniqueArray(fc.constantFrom(...botIds), { maxLength: 2 }),
      }),
      { selector: ({ id }) => id },
    );
    fc.assert(
      fc.property(seekers, offers, fc.uniqueArray(fc.constantFrom(...devices)), (drawn, offered, busy) => {
        const who = drawn.map(({ served, ...rest }) =>
          seeker(rest.botId, { ...rest, serves: (id) => served.includes(id) }),
        );
        const isFree = (id: number) => !busy.includes(id);
        const assignments = assign(who, offered, isFree);
        const duts = assignments.flatMap(({ deviceId }) => (deviceId === null ? [] : [deviceId]));
        expect(new Set(duts).size).toBe(duts.length);
        expect(duts.every(isFree)).toBe(true);
        expect(new Set(assignments.map((each) => each.offer.id)).size).toBe(assignments.length);
        expect(assignments.map((each) => offered.indexOf(each.offer))).toEqual(
          assignments.map((each) => offered.indexOf(each.offer)).sort((x, y) => x - y),
        );
        const isRight = (s: Seeker, o: Offer) =>
          s.serves(o.requirementId) &&
          (o.requestedBotId ?? s.botId) === s.botId &&
          (o.deviceId === null || s.deviceIds.includes(o.deviceId)) &&
          !o.avoidedBots.includes(s.botId);
        for (const each of assignments) {
          expect(isRight(each.seeker, each.offer)).toBe(true);
          expect(each.deviceId).toBe(each.offer.deviceId ?? each.seeker.deviceIds[0] ?? null);
        }
        const given = (s: Seeker) => assignments.filter((each) => each.seeker === s).length;
        for (const s of who) expect(given(s)).toBeLessThanOrEqual(s.wanted);
        const left = offered.filter((o) => assignments.every((each) => each.offer !== o));
        for (const o of left) {
          for (const s of who.filter((each) => given(each) < each.wanted && isRight(each, o))) {
            const dut = o.deviceId ?? s.deviceIds[0] ?? null;
            expect(dut !== null && (!isFree(dut) || duts.includes(dut))).toBe(true);
          }
        }
      }),
    );
  });
});
