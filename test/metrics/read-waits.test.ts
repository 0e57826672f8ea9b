/** Work that waits beside a bot that waits for it, and work that nobody can run: two different troubles, told apart. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { noteCall, noteParked } from '../../src/farm/free-since.ts';
import { newMatching } from '../../src/farm/matching.ts';
import { readWaits } from '../../src/farm/read-waits.ts';
import type { Session, SessionTable } from '../../src/farm/sessions.ts';
import { connectBot } from '../support/fleet.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm } from '../support/farm.ts';
import { instance, tableOf } from './busy-farm.ts';

const QUEUED_SECONDS = 90;
const NOW_MS = 200_000;
const clock = { now: () => new Date(0), monotonicMs: () => NOW_MS, sleep: () => Promise.resolve() };

let database: FreshDatabase;
let farm: TestFarm;
let requirementId: number;
beforeAll(async () => {
  database = await freshDatabase();
  await database.setNow(new Date('2026-01-01T12:00:00Z'));
  farm = createTestFarm({ database });
  const wants = `[{"key":"model","allowedValues":["octopus"]}]`;
  const { rows } = await farm.pool.query(
    `insert into requirements (instance, canon, constraints) values ($1, $2, $3) returning id`,
    [instance, wants, wants],
  );
  requirementId = rows[0].id;
  await farm.pool.query(
    `insert into jobs (instance, request_id, state, station, work, requirement_id, attempts_max, queued_at)
     values ($1, 'r', 'QUEUED', 'FAT', '{}', $2, 3, farm_now() - make_interval(secs => $3))`,
    [instance, requirementId, QUEUED_SECONDS],
  );
});
afterAll(() => database.drop());

let table: SessionTable;
let bot: Session;
beforeEach(() => {
  table = tableOf([{ status: 1, capacity: 1, properties: { model: ['octopus'] } }]);
  [bot] = [...table.byName.values()] as [Session];
});

const waits = (sessions: SessionTable) =>
  readWaits({ pool: farm.pool, sessions, clock }, { hotRequirements: [requirementId], hotDevices: [] });
const park = (session: Session, atMs: number): void => {
  session.parked = { end: () => undefined };
  noteParked(newMatching(), session, atMs);
};

test('a job and a bot wait for each other as long as the one that came last', async () => {
  park(bot, NOW_MS - 20_000);
  expect(await waits(table)).toEqual({ idleMatches: [{ instance, seconds: 20 }], unserved: [] });
  bot.freeSinceMs = NOW_MS - 1_000_000;
  expect((await waits(table)).idleMatches).toEqual([{ instance, seconds: QUEUED_SECONDS }]);
});

test('a bot that is busy keeps its station served, and waits for nothing', async () => {
  expect(await waits(table)).toEqual({ idleMatches: [], unserved: [] });
});

test('a station is unserved when no live bot of the farm has what its work wants, at home here or not', async () => {
  const squids = tableOf([{ status: 1, capacity: 1, properties: { model: ['squid'] } }]);
  const unserved = [{ instance, station: 'FAT', seconds: QUEUED_SECONDS }];
  expect((await waits(squids)).unserved).toEqual(unserved);
  await connectBot(farm, { botId: 'in-maintenance', status: 6, properties: [['model', 'octopus']] });
  expect((await waits(squids)).unserved).toEqual(unserved);
  await connectBot(farm, { botId: 'elsewhere', properties: [['model', 'octopus']] });
  expect((await waits(squids)).unserved).toEqual([]);
});

test('a bot waits from poll to poll, and not while it was away, is drained, or is barred', () => {
  const matching = newMatching();
  park(bot, 10_000);
  bot.parked = null;
  bot.repliedMs = 55_000;
  noteCall(bot, 55_200);
  park(bot, 55_200);
  expect(bot.freeSinceMs).toBe(10_000);
  bot.parked = null;
  bot.repliedMs = 100_000;
  noteCall(bot, 160_000);
  expect(bot.freeSinceMs).toBeNull();
  park(bot, 160_000);
  noteParked({ ...matching, drains: [{ instance, pattern: bot.botId, note: '' }] }, bot, 161_000);
  expect(bot.freeSinceMs).toBeNull();
  bot.barredUntilMs = 163_000;
  noteParked(matching, bot, 162_000);
  expect(bot.freeSinceMs).toBeNull();
  noteParked(matching, bot, 163_000);
  expect(bot.freeSinceMs).toBe(163_000);
});
