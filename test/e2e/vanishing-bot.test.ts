/** A bot that falls silent with work in hand: for a while, and for good. Real bots, stopped and killed from outside. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { CallState } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { expectToldInOrder, type FarmDoor, LINE, MLB, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

/** Patient with its bots, as a run-in is that may reboot its DUT; and not at all. */
const PATIENT = 'RUNIN';
const IMPATIENT = 'FFT';

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [
      {
        instance: LINE,
        shopfloor: { url },
        stations: [{ name: PATIENT, lostAfter: '60s' }, { name: IMPATIENT }],
      },
    ],
    set: ['session.ttl=3s', 'session.lostAfter=6s', 'session.fence=1500ms', 'replica.silentMax=1s'].map(
      (setting) => `limits.${setting}`,
    ),
  });
  await site.shopfloor().start();
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
});
afterAll(async () => {
  door.close();
  await site.close();
});

const startBot = async (board: string) => {
  const bot = site.bot(`bot-${board}`, farm, ['--instance', LINE, '--serial', `mlb_serial_number=${board}`]);
  await bot.start();
  return bot;
};

const running = (id: bigint) =>
  eventually(async () => {
    // An attempt is counted when the bot has started it.
    const job = await door.getJob(id);
    expect(job).toMatchObject({ state: JobState.LEASED, attempts: 1 });
    return job;
  });

const shownAs = (botId: string, status: string) =>
  eventually(async () => expect((await door.getBot(botId)).status).toBe(status));

test('a bot that vanishes for longer than its ttl and comes back finds its lease still its own', async () => {
  const bot = await startBot('COMES-BACK');
  const { id } = await door.enqueue({ station: PATIENT, board: 'COMES-BACK', ms: 1_000 });
  await running(id);
  const { session, leases } = await door.getBot('bot-COMES-BACK');
  bot.send('SIGSTOP');
  await shownAs('bot-COMES-BACK', 'LOST');
  expect(await door.getJob(id)).toMatchObject({ state: JobState.LEASED, attempts: 1 });
  bot.send('SIGCONT');
  // Heard of again, in the session and with the lease that it had.
  await shownAs('bot-COMES-BACK', 'OK');
  expect((await door.getBot('bot-COMES-BACK')).session).toBe(session);
  const job = await door.jobIn(id, JobState.FINISHED);
  expect(job).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 1, botId: 'bot-COMES-BACK' });
  // Nothing was restarted: the partner saw one start, one result and one end.
  const calls = (await door.settledCalls()).filter((call) => call.jobId === id);
  expect(calls.map(({ method }) => method).sort()).toEqual(['NotifyEnd', 'NotifyStart', 'UpdateTestResult']);
  const completed = await site.database((db) =>
    db.query('select id, state from leases where job_id = $1', [String(id)]),
  );
  expect(completed.rows).toEqual([{ id: leases[0]!.leaseId, state: 'COMPLETED' }]);
});

test('a bot that does not come back loses its lease, and its next session makes the second attempt', async () => {
  const bot = await startBot('DIES');
  const { id } = await door.enqueue({ station: IMPATIENT, board: 'DIES', ms: 3_000 });
  await running(id);
  await bot.kill();
  // Lost after its station's lost_after; but the DUT may still be at work, so nobody gets it yet.
  await eventually(async () => expect(await door.getJob(id)).toMatchObject({ state: JobState.QUEUED, attempts: 1 }));
  expect((await door.explain(id)).code).toBe('DUT_SETTLING');
  const device = await door.ask(FleetService.getDevice, { instance: LINE, name: MLB, value: 'DIES' });
  expect(device.settlingReason).toContain('lost_after');
  await bot.start();
  const job = await door.jobIn(id, JobState.FINISHED);
  expect(job).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 2 });
});

test('the partner was told of both attempts in order, and the doctor finds nothing', async () => {
  const calls = await door.settledCalls();
  const journal = await site.journal();
  expectToldInOrder(calls, journal);
  expect(calls.every(({ state }) => state === CallState.DELIVERED)).toBe(true);
  expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [], gapsAfter: [] });
  // The attempt that was lost was closed before the next one began.
  const died = journal.filter(({ device }) => device === 'DIES').map(({ method, testId }) => testId ?? method);
  expect(died).toEqual(['NotifyStart', IMPATIENT, 'NotifyStart', `generic_main:${IMPATIENT}.Probe`, 'NotifyEnd']);
  expect(await site.doctor()).toEqual([]);
});
