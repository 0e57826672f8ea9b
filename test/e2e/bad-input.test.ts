/** What strangers send: each is refused with a clear status and words, and leaves nothing behind. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type FarmDoor, type JobToRun, LINE, openFarmDoor } from '../support/farm-door.ts';
import { openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, openFieldBot } from './field-bot.ts';

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
let bot: FieldBot;
beforeAll(async () => {
  site = await openSite({ lines: () => [{ instance: LINE, stations: [{ name: 'FAT' }] }] });
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  bot = openFieldBot(farm.address);
});
afterAll(async () => {
  door.close();
  bot.close();
  await site.close();
});

const MIB = 1024 * 1024;
const property = (key: string, value = '') => ({ key, value });
const workerWith = (properties: readonly object[]) => ({ worker: { devices: [{ handle: 'dut', properties }] } });

// prettier-ignore
const sessions: readonly [why: string, parent: string, session: object, code: status, words: RegExp][] = [
  ['an instance that nobody declared', 'nowhere', {}, status.INVALID_ARGUMENT, /There is no instance "nowhere".*configuration/],
  ['no bot_id', LINE, { bot_id: '' }, status.INVALID_ARGUMENT, /no bot_id/],
  ['more than 256 properties', LINE, workerWith(Array.from({ length: 257 }, (_, n) => property(`p${n}`))), status.INVALID_ARGUMENT, /257 properties.*at most 256/],
  ['a property longer than 4 KiB', LINE, workerWith([property('p', 'x'.repeat(4097))]), status.INVALID_ARGUMENT, /4096/],
  ['a name with U+0000', LINE, { bot_id: 'bot\0' }, status.INVALID_ARGUMENT, /bot_id/],
  ['a property with U+0000', LINE, workerWith([property('p', 'a\0b')]), status.INVALID_ARGUMENT, /property p/],
  ['more than the farm receives at once', LINE, { version: 'x'.repeat(5 * MIB) }, status.RESOURCE_EXHAUSTED, /larger than max|max message size|4194304/i],
];

test.each(sessions)('a bot with %s is refused, and is unknown afterwards', async (_, parent, session, code, words) => {
  const attempt = bot.create(parent, { bot_id: 'stranger', status: 'OK', ...session });
  await expect(attempt).rejects.toMatchObject({ code, details: expect.stringMatching(words) });
});

test('a session that the farm never made is refused, and so is another name than in the session', async () => {
  const stranger = { bot_id: 'stranger', status: 'OK' };
  await expect(bot.update({ ...stranger, name: `${LINE}/made-up` })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('CreateBotSession'),
  });
  await expect(bot.update({ ...stranger, name: '' })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
});

const payload = (typeUrl: string, value: Buffer) => ({ station: '', payload: { typeUrl, value } });
// prettier-ignore
const jobs: readonly [why: string, job: JobToRun, code: status, words: RegExp][] = [
  ['a station that the line does not have', { station: 'FATT' }, status.INVALID_ARGUMENT, /FATT/],
  ['a serial with U+0000', { station: 'FAT', board: 'A\0B' }, status.INVALID_ARGUMENT, /serial/i],
  ['a payload over 1 MiB', payload('type.example.com/w', Buffer.alloc(MIB + 1)), status.INVALID_ARGUMENT, /payload/i],
  ['a payload of no type', payload('', Buffer.alloc(1)), status.INVALID_ARGUMENT, /type/i],
  ['station work that is none', payload('type.googleapis.com/stationgrid.v1.StationWork', Buffer.from([255])), status.INVALID_ARGUMENT, /StationWork/],
];

test.each(jobs)('a job with %s is refused, and is not there afterwards', async (_, job, code, words) => {
  await expect(door.enqueue(job)).rejects.toMatchObject({ code, details: expect.stringMatching(words) });
});

test('nothing of all this is left, and the farm works on', async () => {
  const { bots } = await door.ask(FleetService.listBots, {
    instance: LINE,
    pattern: '',
    connectedOnly: false,
    pageSize: 0,
    pageToken: '',
  });
  expect(bots).toEqual([]);
  expect(await door.jobs()).toEqual([]);
  expect(await site.doctor()).toEqual([]);
  const self = { bot_id: 'welcome', status: 'OK' };
  const { id } = await door.enqueue({ station: 'FAT' });
  const { leases } = await bot.create(LINE, self);
  expect(leases).toMatchObject([{ state: 'PENDING' }]);
  expect((await door.getJob(id)).state).toBe(JobState.LEASED);
});

test('a replica does not start on a database that a newer build has changed: exit 78, and what to do', async () => {
  const future = `insert into schema_migrations (number, name, sha256) values (9999, 'quantum', 'x')`;
  await site.database((db) => db.query(future));
  const older = await site.farm('older');
  await expect(older.start()).rejects.toThrow(
    /migration from the future: 9999_quantum.*start that version, or restore/s,
  );
  expect(await older.ended()).toBe(78);
  // Those who were there before are not disturbed.
  expect(await door.jobs()).toHaveLength(1);
  await site.database((db) => db.query('delete from schema_migrations where number = 9999'));
  await older.start();
  expect(await older.stop()).toBe(0);
});
