import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { likePattern, matchesPattern } from '../../src/core/pattern.ts';
import { drainBots } from '../../src/farm/drain-bots.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { getBot } from '../../src/farm/get-bot.ts';
import { getDevice } from '../../src/farm/get-device.ts';
import { listBots } from '../../src/farm/list-bots.ts';
import { quarantineBot } from '../../src/farm/quarantine-bot.ts';
import { releaseBot } from '../../src/farm/release-bot.ts';
import { undrainBots } from '../../src/farm/undrain-bots.ts';
import { closeSessions, recordBotEvent } from '../../src/store/bot-sessions.ts';
import { closeEmptyLapsed, markLapsed } from '../../src/store/sweeps.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm } from '../support/farm.ts';
import { connectBot, giveJob } from '../support/fleet.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';

let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database });
});
afterAll(() => database.drop());

const instance = 'line-1';
const get = (botId: string) => getBot(farm, { instance, botId });

describe('a bot as operators see it', () => {
  it('shows what it says, what it has and what it holds', async () => {
    const job = await enqueueJob(farm, jobRequest({ serials: mlb('V1') }));
    const bot = await connectBot(farm, {
      botId: 'viewed',
      capacity: 2,
      properties: [
        ['label:pool', 'b'],
        ['pool', 'a'],
      ],
      deviceIds: [job.deviceId!],
    });
    const leaseId = await giveJob(farm, bot, job.id);
    expect(await get('viewed')).toMatchObject({
      connected: true,
      status: 'OK',
      version: '1',
      capacity: 2,
      properties: [{ key: 'pool', values: ['a', 'b'] }],
      serials: ['V1'],
      leases: [{ leaseId, jobId: job.id, station: 'FAT', state: 'PENDING' }],
      session: bot.name,
      whyNoWork: null,
      events: [],
    });
  });

  it.each([
    [6, 'MAINTENANCE', 'it says it is MAINTENANCE'],
    [42, 'STATUS_42', 'it says it is STATUS_42'],
  ])('keeps status %i', async (status, name, why) => {
    await connectBot(farm, { botId: `status-${status}`, status });
    expect(await get(`status-${status}`)).toMatchObject({ status: name, whyNoWork: why });
  });

  it('is LOST when it fell silent, and OFFLINE when it ended its session', async () => {
    const lapsed = await connectBot(farm, { botId: 'lapsed' });
    const expired = await connectBot(farm, { botId: 'expired' });
    const ended = await connectBot(farm, { botId: 'ended' });
    await markLapsed(database.pool, [lapsed.name, expired.name]);
    await closeEmptyLapsed(database.pool, [expired.name]);
    await closeSessions(database.pool, [{ name: ended.name, reason: 'the bot has terminated' }]);
    expect(await get('lapsed')).toMatchObject({ status: 'LOST', connected: false, session: lapsed.name });
    expect(await get('expired')).toMatchObject({ status: 'LOST', connected: false, session: null });
    expect(await get('ended')).toMatchObject({ status: 'OFFLINE', connected: false, whyNoWork: 'it is not connected' });
  });

  it('shows its last 20 events, newest first', async () => {
    const bot = await connectBot(farm, { botId: 'talker' });
    for (let n = 1; n <= 25; n += 1) {
      await recordBotEvent(database.pool, {
        ...bot,
        sessionName: bot.name,
        type: 1,
        message: `event ${n}`,
        counts: 'neither',
      });
    }
    const { events } = await get('talker');
    expect(events).toHaveLength(20);
    expect(events![0]).toMatchObject({ type: 1, message: 'event 25' });
  });

  it('is not found where it never was', async () => {
    await expect(get('nobody')).rejects.toMatchObject({ kind: 'NOT_FOUND', reason: 'NO_SUCH_BOT' });
    await expect(get('no\0body')).rejects.toMatchObject({ kind: 'NOT_FOUND' });
  });
});

describe('listing bots', () => {
  const idsOf = async (asked: Partial<Parameters<typeof listBots>[1]>) => {
    const ids: string[] = [];
    let pageToken = '';
    do {
      const page = await listBots(farm, {
        instance,
        pattern: null,
        connectedOnly: false,
        pageSize: 2,
        ...asked,
        pageToken,
      });
      ids.push(...page.bots.map(({ botId }) => botId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return ids;
  };

  it('gives each that matches once, by id', async () => {
    for (const botId of ['rack-10', 'rack-2', 'rack-1', 'rack_1', 'rack-1b']) await connectBot(farm, { botId });
    expect((await idsOf({ pattern: 'rack*' })).toSorted()).toEqual([
      'rack-1',
      'rack-10',
      'rack-1b',
      'rack-2',
      'rack_1',
    ]);
    expect(await idsOf({ pattern: 'rack-?' })).toEqual(['rack-1', 'rack-2']);
    expect(await idsOf({ pattern: 'rack_?' })).toEqual(['rack_1']);
  });

  it('shows a bot once however many sessions it had, and only the connected where that is asked', async () => {
    const first = await connectBot(farm, { botId: 'twice-1' });
    await closeSessions(database.pool, [{ name: first.name, reason: 'replaced by a newer session of this bot' }]);
    await connectBot(farm, { botId: 'twice-1' });
    const gone = await connectBot(farm, { botId: 'twice-2' });
    await closeSessions(database.pool, [{ name: gone.name, reason: 'the bot has terminated' }]);
    expect(await idsOf({ pattern: 'twice-*' })).toEqual(['twice-1', 'twice-2']);
    expect(await idsOf({ pattern: 'twice-*', connectedOnly: true })).toEqual(['twice-1']);
  });

  it('matches in the database as in memory', async () => {
    const unit = fc.constantFrom('a', 'b', '*', '?', '%', '_', '\\', 'é', '😀');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit, maxLength: 6 }), fc.string({ unit, maxLength: 6 }), async (pattern, text) => {
        const { rows } = await database.pool.query<{ fits: boolean }>(`select $1::text like $2 escape '\\' as fits`, [
          text,
          likePattern(pattern),
        ]);
        expect(rows[0]!.fits).toBe(matchesPattern(pattern, text));
      }),
    );
  });
});

describe('a drain', () => {
  const drain = (pattern: string, expiresInMs: number | null = null, note = 'moving') =>
    drainBots(farm, { instance, pattern, note, expiresInMs });

  it('covers bots that come later too, until it is ended', async () => {
    await drain('later-*');
    expect(farm.wakes.at(-1)).toEqual({ kind: 'drains' });
    expect(farm.events.at(-1)).toMatchObject({ kind: 'BOTS_DRAINED', facts: { pattern: 'later-*', note: 'moving' } });
    await connectBot(farm, { botId: 'later-1' });
    expect(await get('later-1')).toMatchObject({
      drain: { pattern: 'later-*' },
      whyNoWork: 'it is drained (later-*): moving',
    });
    await undrainBots(farm, { instance, pattern: 'later-*' });
    expect(await get('later-1')).toMatchObject({ drain: null, whyNoWork: null });
  });

  it('ends by itself', async () => {
    await connectBot(farm, { botId: 'brief-1' });
    const { expiresAt } = await drain('brief-1', 60_000);
    expect((await get('brief-1')).drain).not.toBeNull();
    await database.setNow(new Date(expiresAt!.getTime() + 1));
    expect((await get('brief-1').finally(() => database.setNow(null))).drain).toBeNull();
  });

  it('given again has the new note and the new end', async () => {
    await drain('again', 60_000);
    expect(await drain('again', null, 'for good')).toMatchObject({ note: 'for good', expiresAt: null });
  });

  it('needs a pattern, a note and a future', async () => {
    await expect(drain('')).rejects.toMatchObject({ kind: 'INVALID' });
    await expect(drain('x', null, ' ')).rejects.toMatchObject({ reason: 'REASON_MISSING' });
    await expect(drain('x', 0)).rejects.toMatchObject({ reason: 'DURATION_OUT_OF_RANGE' });
    await expect(undrainBots(farm, { instance, pattern: 'never-drained' })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
  });

  it('is one of a bounded number', async () => {
    const { rows } = await database.pool.query<{ n: number }>('select count(*)::integer as n from drains');
    const tight = createTestFarm({ database, limits: { bots: { drainRulesMax: rows[0]!.n } } });
    const asked = { instance, note: 'one more', expiresInMs: null };
    await expect(drainBots(tight, { ...asked, pattern: 'more' })).rejects.toMatchObject({ reason: 'TOO_MANY_DRAINS' });
    // One that is there already takes no more room.
    await drainBots(tight, { ...asked, pattern: 'again' });
  });
});

describe('a quarantine', () => {
  it('is told to the home of the session, and lasts until it is released', async () => {
    const bot = await connectBot(farm, { botId: 'sick' });
    const quarantined = await quarantineBot(farm, { instance, botId: 'sick', reason: 'smoke' });
    expect(quarantined).toMatchObject({ quarantineReason: 'smoke', whyNoWork: 'it is quarantined: smoke' });
    expect(farm.wakes.at(-1)).toEqual({ kind: 'session', name: bot.name });
    expect(farm.events.at(-1)).toMatchObject({ kind: 'BOT_QUARANTINED', botId: 'sick' });
    await recordBotEvent(database.pool, { ...bot, sessionName: bot.name, type: 2, message: 'x', counts: 'error' });
    const released = await releaseBot(farm, { instance, botId: 'sick', reason: 'fan replaced' });
    expect(released).toMatchObject({ quarantineReason: null, errorEvents: 0, whyNoWork: null });
    expect(farm.events.at(-1)).toMatchObject({ kind: 'BOT_RELEASED', facts: { reason: 'fan replaced', was: 'smoke' } });
  });

  it('changes nothing when it is repeated', async () => {
    await connectBot(farm, { botId: 'sick-2' });
    await quarantineBot(farm, { instance, botId: 'sick-2', reason: 'first' });
    const told = farm.events.length;
    expect(await quarantineBot(farm, { instance, botId: 'sick-2', reason: 'second' })).toMatchObject({
      quarantineReason: 'first',
    });
    await releaseBot(farm, { instance, botId: 'sick-2', reason: '' });
    await releaseBot(farm, { instance, botId: 'sick-2', reason: '' });
    expect(farm.events).toHaveLength(told + 1);
  });

  it('needs a bot and a reason', async () => {
    await expect(quarantineBot(farm, { instance, botId: 'sick', reason: '' })).rejects.toMatchObject({
      kind: 'INVALID',
    });
    await expect(quarantineBot(farm, { instance, botId: 'ghost', reason: 'x' })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
  });
});

describe('the record of a DUT', () => {
  it('is found by any of its serials', async () => {
    const serials = { ...mlb('D1'), 'serials.serial_number': 'D2' };
    const { deviceId } = await enqueueJob(farm, jobRequest({ serials }));
    const byName = await getDevice(farm, { instance, name: 'label:serials.serial_number', value: 'D2' });
    expect(byName).toMatchObject({ id: deviceId, serials, heldReason: null, settlingUntil: null });
    expect(await getDevice(farm, { instance, name: null, value: 'D1' })).toEqual(byName);
  });

  it('is refused when the value alone names two', async () => {
    await enqueueJob(farm, jobRequest({ serials: mlb('SAME') }));
    await enqueueJob(farm, jobRequest({ serials: { 'serials.serial_number': 'SAME' } }));
    const asked = getDevice(farm, { instance, name: null, value: 'SAME' });
    await expect(asked).rejects.toMatchObject({ kind: 'INVALID', reason: 'SERIAL_OF_TWO_DUTS' });
  });

  it('is not found by a serial that nobody has', async () => {
    await expect(getDevice(farm, { instance, name: null, value: 'none' })).rejects.toMatchObject({ kind: 'NOT_FOUND' });
  });
});
