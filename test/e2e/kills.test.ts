/** kill -9, one after the other, of everything there is, in the middle of the work. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { expectToldInOrder, type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type Standing, type StandingFarm } from '../support/farm-site.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
const BOTS = 3;
const UNITS = 6;

let site: Site;
let shopfloor: Standing;
let farm: StandingFarm;
let door: FarmDoor;
const bots: Standing[] = [];
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: STATIONS.map((name) => ({ name })) }],
  });
  // Slow, so that whoever is killed is likely to have a call under way.
  const faults = join(site.folder, 'faults.yaml');
  writeFileSync(faults, '[{ kind: slow, ms: 40 }]');
  shopfloor = site.shopfloor(['--faults', faults]);
  await shopfloor.start();
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  for (let bot = 0; bot < BOTS; bot += 1) {
    const [first, second] = [`BOARD-${bot}`, `BOARD-${bot + BOTS}`];
    const duts = ['--serial', `mlb_serial_number=${first}`, '--device', `second:mlb_serial_number=${second}`];
    const standing = site.bot(`dut-host-${bot}`, farm, ['--instance', LINE, ...duts]);
    await standing.start();
    bots.push(standing);
  }
});
afterAll(async () => {
  door.close();
  await site.close();
});

/** Resolves when so many jobs have finished and others run, so that what is killed next is at work. */
const inTheMiddle = (finished: number): Promise<void> =>
  eventually(async () => {
    const jobs = await door.jobs();
    expect(jobs.filter(({ state }) => state === JobState.FINISHED).length).toBeGreaterThanOrEqual(finished);
    expect(jobs.some(({ state }) => state === JobState.LEASED)).toBe(true);
  });

test('nothing is lost, re-ordered or doubled when the farm, a bot, the shopfloor and PostgreSQL are killed', async () => {
  const units = Array.from({ length: UNITS }, (_, unit) => `BOARD-${unit}`);
  await door.enqueueAll(
    units.flatMap((board) => STATIONS.map((station) => ({ station, board, route: 'line', ms: 400 }))),
  );

  await inTheMiddle(3);
  await farm.kill();
  await farm.start();

  await inTheMiddle(8);
  await shopfloor.kill();
  await inTheMiddle(11);
  await shopfloor.start();

  await inTheMiddle(14);
  const [bot] = bots;
  await bot!.kill();
  await bot!.start();

  await inTheMiddle(19);
  const pid = site.postmasterPid();
  process.kill(pid, 'SIGKILL');
  await eventually(() => expect(site.postmasterPid()).not.toBe(pid));

  const jobs = await eventually(async () => {
    const all = await door.jobs();
    expect(all.filter(({ state }) => state !== JobState.FINISHED).map(({ id, reason }) => `${id} ${reason}`)).toEqual(
      [],
    );
    return all;
  });
  expect(jobs).toHaveLength(UNITS * STATIONS.length);
  expect(jobs.filter(({ verdict }) => verdict !== Verdict.VERDICT_PASSED)).toEqual([]);
  // Only the bot that was killed had work in hand that nobody could go on with, and it had one lease.
  expect(jobs.reduce((sum, { attempts }) => sum + attempts - 1, 0)).toBeLessThanOrEqual(1);
  expect(jobs.filter(({ attempts, botId }) => attempts > 1 && botId !== 'dut-host-0')).toEqual([]);

  const calls = await door.settledCalls();
  // The kills were felt: something had to be sent again.
  expect(calls.some(({ sends }) => sends > 1)).toBe(true);
  const journal = await site.journal();
  expectToldInOrder(calls, journal);
  const { orderViolations, openAttempts, gapsAfter, duplicates } = checkJournal(journal);
  expect({ orderViolations, openAttempts, gapsAfter }).toEqual({
    orderViolations: [],
    openAttempts: [],
    gapsAfter: [],
  });
  expect(duplicates.filter(({ sameBody, timesApplied }) => !sameBody || timesApplied !== 1)).toEqual([]);
  expect(await site.doctor()).toEqual([]);
  expect(await Promise.all(bots.map((one) => one.stop()))).toEqual([0, 0, 0]);
  expect(await farm.stop()).toBe(0);
});
