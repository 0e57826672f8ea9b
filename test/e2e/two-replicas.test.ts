/** Two replicas on one database. The second one joins the first's data directory, as a second farm started there does. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { ReportTestResultsRequest, ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { expectToldInOrder, type FarmDoor, LINE, MLB, openFarmDoor, testIdOf } from '../support/farm-door.ts';
import { openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, type FieldLease, type FieldReply, openFieldBot } from './field-bot.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 120_000;

let site: Site;
let farms: readonly StandingFarm[];
let doors: readonly FarmDoor[];
let wanderer: readonly FieldBot[];
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: STATIONS.map((name) => ({ name })) }],
  });
  await site.shopfloor().start();
  farms = [await site.farm('farm-a'), await site.farm('farm-b')];
  // At once: one of them founds the database, the other one waits for it.
  await Promise.all(farms.map((farm) => farm.start()));
  doors = farms.map(openFarmDoor);
  wanderer = farms.map(({ address }) => openFieldBot(address));
}, TIMEOUT_MS);
afterAll(async () => {
  for (const one of [...doors, ...wanderer]) one.close();
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
    const seen = await wander(jobs.filter(({ serials }) => serials[MLB] === 'WANDERS').map(({ id }) => id));
    // Each station once, in the order of the route, and none of them was ever handed out twice.
    expect(seen).toHaveLength(STATIONS.length);
    expect(new Set(seen).size).toBe(STATIONS.length);
    for (const { id } of jobs) {
      expect(await doors[0]!.jobIn(id, JobState.FINISHED)).toMatchObject({
        verdict: Verdict.VERDICT_PASSED,
        attempts: 1,
      });
    }
    const calls = await doors[1]!.settledCalls();
    // NotifyStart, a result, NotifyEnd.
    expect(calls).toHaveLength(jobs.length * 3);
    const journal = await site.journal();
    expectToldInOrder(calls, journal);
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

/** Works until all these jobs have finished; every call goes to the other replica. Returns the leases it was given. */
async function wander(jobs: readonly bigint[]): Promise<readonly string[]> {
  let calls = 0;
  const next = (): number => (calls += 1) % 2;
  const worker = { devices: [{ handle: 'dut', properties: [{ key: MLB, value: 'WANDERS' }] }] };
  const self = { bot_id: 'wanderer', status: 'OK', worker };
  const given: string[] = [];
  let reply: FieldReply = await wanderer[next()]!.create(LINE, self);
  let isEnded = false;
  while (!isEnded) {
    const leases: FieldLease[] = [];
    for (const lease of reply.leases) {
      if (lease.state === 'PENDING') {
        if (!given.includes(lease.id)) given.push(lease.id);
        leases.push({ id: lease.id, state: 'ACTIVE' });
      } else if (lease.state === 'ACTIVE') {
        const station = STATIONS[given.indexOf(lease.id)]!;
        const results = [{ testId: testIdOf(station), status: TestStatus.PASSED }];
        // Reported while it runs, again to the other replica; the completion then has nothing new to say.
        const report = ReportTestResultsRequest.fromPartial({ session: reply.name, leaseId: lease.id, results });
        await doors[next()]!.ask(ResultsService.reportTestResults, report);
        leases.push({ id: lease.id, state: 'COMPLETED' });
      }
    }
    reply = await wanderer[next()]!.update({ ...self, name: reply.name, leases }, 3_000);
    if (reply.leases.length > 0 || leases.length > 0) continue;
    const states = await Promise.all(jobs.map((id) => doors[next()]!.getJob(id)));
    isEnded = states.every(({ state }) => state === JobState.FINISHED);
  }
  return given;
}
