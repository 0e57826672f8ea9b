/** Two replicas on one database. The second one joins the first's data directory, as a second farm started there does. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { expectToldInOrder, type FarmDoor, LINE, MLB, openFarmDoor } from '../support/farm-door.ts';
import { openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { openFieldBot } from './field-bot.ts';
import { type Stop, wander } from './wandering-bot.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 120_000;

let site: Site;
let farms: readonly StandingFarm[];
let doors: readonly FarmDoor[];
let stops: readonly Stop[];
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: STATIONS.map((name) => ({ name })) }],
  });
  await site.shopfloor().start();
  farms = [await site.farm('farm-a'), await site.farm('farm-b')];
  // At once: one of them founds the database, the other one waits for it.
  await Promise.all(farms.map((farm) => farm.start()));
  stops = farms.map((farm) => ({ bot: openFieldBot(farm.address), door: openFarmDoor(farm) }));
  doors = stops.map(({ door }) => door);
}, TIMEOUT_MS);
afterAll(async () => {
  for (const { bot, door } of stops) for (const one of [bot, door]) one.close();
  await site.close();
});

test(
  'a bot that changes replica at every call takes its unit through five stations',
  { timeout: TIMEOUT_MS },
  async () => {
    // Units of other bots, one at each replica, so that both pumps are at work on lanes of their own and of each other's.
    for (const [index, farm] of farms.entries()) {
      const serial = ['--serial', `mlb_serial_number=SETTLED-${index}`];
      await site.bot(`settled-${index}`, farm, ['--instance', LINE, ...serial]).start();
    }
    const boards = ['WANDERS', 'SETTLED-0', 'SETTLED-1'];
    const jobs = (
      await Promise.all(
        boards.map((board, index) =>
          doors[index % 2]!.enqueueAll(STATIONS.map((station) => ({ station, board, route: 'line', ms: 100 }))),
        ),
      )
    ).flat();
    let calls = 0;
    const seen = await wander({
      board: 'WANDERS',
      stations: STATIONS,
      jobs: jobs.filter(({ serials }) => serials[MLB] === 'WANDERS').map(({ id }) => id),
      next: () => stops[(calls += 1) % stops.length]!,
    });
    // Each station once, in the order of the route, and none of them was ever handed out twice.
    expect(seen).toHaveLength(STATIONS.length);
    expect(new Set(seen).size).toBe(STATIONS.length);
    for (const { id } of jobs) {
      expect(await doors[0]!.jobIn(id, JobState.FINISHED)).toMatchObject({
        verdict: Verdict.VERDICT_PASSED,
        attempts: 1,
      });
    }
    const told = await doors[1]!.settledCalls();
    // NotifyStart, a result, NotifyEnd.
    expect(told).toHaveLength(jobs.length * 3);
    const journal = await site.journal();
    expectToldInOrder(told, journal);
    expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [], gapsAfter: [] });
    expect(await site.doctor()).toEqual([]);
  },
);

test('both replicas see the same jobs, and either may leave', async () => {
  const [first, second] = await Promise.all(doors.map((door) => door.jobs()));
  expect(second!.map(({ id, state }) => [id, state])).toEqual(first!.map(({ id, state }) => [id, state]));
  expect(await farms[0]!.stop()).toBe(0);
  const { id } = await doors[1]!.enqueue({ station: 'SMT', board: 'SETTLED-1' });
  await doors[1]!.jobIn(id, JobState.FINISHED);
});
