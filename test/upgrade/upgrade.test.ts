/**
 * An upgrade without a stop: the version before and this one as two replicas of one farm, while work flows. The older one
 * makes the schema; this one migrates it under the older one's feet.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { type Job, JobsService, JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { migrationStatus } from '../../src/store/migrate.ts';
import { openFieldBot } from '../e2e/field-bot.ts';
import { type Stop, wander } from '../e2e/wandering-bot.ts';
import { expectToldInOrder, type FarmDoor, LINE, MLB, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type Standing, type StandingFarm } from '../support/farm-site.ts';
import { versionBefore, type VersionBefore } from '../support/version-before.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
const EX_CONFIG = 78;
/** With an `npm ci` of the version before, where its packages are not ours. */
const TIMEOUT_MS = 600_000;

let before: VersionBefore;
let site: Site;
let older: StandingFarm;
let newer: StandingFarm;
/** The replicas that serve, for whoever may go to any. */
const stops: Stop[] = [];

const enter = (farm: StandingFarm): Stop => {
  const stop = { bot: openFieldBot(farm.address), door: openFarmDoor(farm) };
  stops.push(stop);
  return stop;
};

const route = (board: string): Parameters<FarmDoor['enqueueAll']>[0] =>
  STATIONS.map((station) => ({ station, board, route: 'line', ms: 100 }));

const idsOf = (jobs: readonly Job[], board: string): readonly bigint[] =>
  jobs.filter(({ serials }) => serials[MLB] === board).map(({ id }) => id);

let calls = 0;
/** Each call goes to another replica than the one before, if there is another. */
const next = (): Stop => stops[(calls += 1) % stops.length]!;

beforeAll(async () => {
  before = await versionBefore();
  site = await openSite({
    lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: STATIONS.map((name) => ({ name })) }],
  });
  await site.shopfloor().start();
  older = await site.farm('before', { command: before.command });
  newer = await site.farm('now');
}, TIMEOUT_MS);
afterAll(async () => {
  for (const { bot, door } of stops) for (const one of [bot, door]) one.close();
  await site.close();
});

test('both versions serve one farm while it is upgraded', { timeout: TIMEOUT_MS }, async () => {
  await older.start();
  const { door: olderDoor } = enter(older);
  const settled = (board: string, farm: StandingFarm, command?: string): Standing =>
    site.bot(`bot-${board.toLowerCase()}`, farm, ['--instance', LINE, '--serial', `${MLB.slice(8)}=${board}`], command);
  // The bots too are of both versions.
  const leavers = [settled('OLDER', older, before.command), settled('EARLY', older)];
  for (const bot of leavers) await bot.start();
  const jobs: Job[] = [...(await olderDoor.enqueueAll(['WANDERS', 'OLDER', 'EARLY'].flatMap(route)))];

  // In its hands, a lease is granted by one version, held over the migration, and completed at the other.
  let isUpgraded = false;
  const [, held] = idsOf(jobs, 'WANDERS');
  const wandering = wander({
    board: 'WANDERS',
    stations: STATIONS,
    jobs: idsOf(jobs, 'WANDERS'),
    next,
    lingers: (leases) => leases === 2 && !isUpgraded,
  });
  await olderDoor.jobIn(held!, JobState.LEASED);
  await newer.start();
  const { door: newerDoor } = enter(newer);
  expect(await site.database((db) => migrationStatus(db))).toMatchObject({ pending: [], future: [], changed: [] });
  expect((await newerDoor.getJob(held!)).state).toBe(JobState.LEASED);
  isUpgraded = true;

  // Enqueued at the one version for a bot at the other.
  await settled('NEWER', newer).start();
  jobs.push(...(await olderDoor.enqueueAll(route('NEWER'))), ...(await newerDoor.enqueueAll(route('OLDER'))));
  await operateOn(olderDoor);
  expect(await wandering).toHaveLength(STATIONS.length);
  await expectAllPassed(jobs);
  for (const { httpUrl } of [older, newer]) expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200);

  // The older one leaves in the middle of work, as in any rolling update.
  const last = [...(await newerDoor.enqueueAll(['LEAVES', 'NEWER'].flatMap(route)))];
  const leaving = wander({ board: 'LEAVES', stations: STATIONS, jobs: idsOf(last, 'LEAVES'), next });
  await olderDoor.jobIn(idsOf(last, 'LEAVES')[1]!, JobState.LEASED);
  stops.shift();
  // Idle by now: one that is told to stop with work that it has just taken hands it back, and an attempt is counted.
  for (const bot of leavers) expect(await bot.stop()).toBe(0);
  expect(await older.stop()).toBe(0);
  await settled('OLDER', newer, before.command).start();
  last.push(...(await newerDoor.enqueueAll(route('OLDER'))));
  expect(await leaving).toHaveLength(STATIONS.length);
  await expectAllPassed(last);

  const told = await newerDoor.settledCalls();
  // NotifyStart, a result, NotifyEnd: of each attempt, and there was one of each job.
  expect(told).toHaveLength((jobs.length + last.length) * 3);
  const journal = await site.journal();
  expectToldInOrder(told, journal);
  expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [], gapsAfter: [] });
  expect(await site.doctor()).toEqual([]);
  for (const farm of [older, newer]) expect(complaintsOf(farm)).toEqual([]);
});

test('the version before is refused once its schema is history, and the farm does not mind', async () => {
  const [{ door } = enter(newer)] = stops;
  const known = await site.database((db) => db.query('select number from schema_migrations'));
  const restarted = older.start();
  if (known.rows.length > before.migrations) {
    await expect(restarted).rejects.toThrow(/holds a migration from the future/);
    expect(await older.ended()).toBe(EX_CONFIG);
  } else {
    // Nothing was migrated since, so there is a way back.
    await restarted;
    expect(await older.stop()).toBe(0);
  }
  const { id } = await door.enqueue({ station: 'SMT', board: 'NEWER' });
  await door.jobIn(id, JobState.FINISHED);
  expect(await site.doctor()).toEqual([]);
});

/** What people do, at the version before: its statements against this version's schema. */
async function operateOn(door: FarmDoor): Promise<void> {
  const nobodys = await door.enqueue({ station: 'SMT', constraints: [{ key: 'no-bot', allowedValues: ['has this'] }] });
  await door.explain(nobodys.id);
  await door.ask(JobsService.cancelJob, { instance: LINE, id: nobodys.id, reason: 'tried' });
  await door.jobIn(nobodys.id, JobState.CANCELLED);
  const pattern = 'nobody-*';
  await door.ask(FleetService.drainBots, { instance: LINE, pattern, note: 'tried', expiresIn: undefined });
  await door.ask(FleetService.undrainBots, { instance: LINE, pattern });
  const settledBot = await eventually(() => door.getBot('bot-older'));
  expect(settledBot.botId).toBe('bot-older');
}

async function expectAllPassed(jobs: readonly Job[]): Promise<void> {
  for (const { id } of jobs) {
    const { door } = next();
    expect(await door.jobIn(id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 1 });
  }
}

/**
 * What a farm's log says of bugs, and of a schema that is not as its statements expect; a slow machine may have it warn of
 * other things.
 */
function complaintsOf(farm: StandingFarm): readonly string[] {
  return farm
    .log()
    .split('\n')
    .filter((line) => /"level":"(error|fatal)"|does not exist|permission denied|violates/.test(line));
}
