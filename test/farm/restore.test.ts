/** What becomes of a farm whose database has lost its newest commits. A backup is a copy, taken while the farm lives on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { callOfEvent, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { listReconciliation } from '../../src/farm/list-reconciliation.ts';
import { resumeBridge } from '../../src/farm/resume-bridge.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import { watchJob } from '../../src/farm/watch-job.ts';
import { processClock } from '../../src/process-clock.ts';
import { answerDue, YES } from '../support/answering.ts';
import {
  active,
  board,
  cancelled,
  connect,
  done,
  only,
  openTestHome,
  stateOf,
  type TestHome,
} from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { testLine } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { insertJob, insertUnit, oweTo } from '../support/rows.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');
const HOUR_MS = 3_600_000;
const LINE = 'line-1';
const lines = [LINE, 'line-2'].map((instance) => testLine({ instance, shopfloorUrl: 'http://127.0.0.1:1/' }));

const databases: FreshDatabase[] = [];
const homes: TestHome[] = [];
/** The farm as it is before the loss; a look of its own has marked its database. */
let database: FreshDatabase;
let home: TestHome;

const open = (of: FreshDatabase, clock: Clock = createManualClock(NOW)): TestHome => {
  const opened = openTestHome({ database: of, clock, lines });
  homes.push(opened);
  return opened;
};
const look = (at: TestHome): Promise<unknown> => tickOnce(at, { lastMs: null });
const restored = async (): Promise<FreshDatabase> => {
  const copy = await database.copy();
  databases.push(copy);
  return copy;
};
const restoresOf = async (of: FreshDatabase): Promise<unknown[]> =>
  (await of.pool.query('select number, cause from restores order by number')).rows;
const due = (at: TestHome): Promise<readonly string[]> =>
  answerDue(at, () => YES).then((answered) => answered.map(({ call }) => call.id));

beforeEach(async () => {
  database = await freshDatabase();
  databases.push(database);
  await database.setNow(NOW);
  home = open(database);
  await database.pool.query('update farm_marks set database_mark = database_mark()');
});
afterEach(async () => {
  await Promise.all(homes.splice(0).map((each) => each.settled()));
  for (const each of databases.splice(0)) {
    expect(await each.doctor()).toEqual([]);
    await each.drop();
  }
});

describe('a farm on a restored backup', () => {
  it('notices once, whoever looks first, and never on the database that it has been on', async () => {
    const copy = await restored();
    await Promise.all([open(copy), open(copy)].map(look));
    await look(homes.at(-1)!);
    expect(await restoresOf(copy)).toEqual([{ number: 1, cause: 'MOVED' }]);
    await look(home);
    expect(await restoresOf(database)).toEqual([]);
  });

  it('never gives a job a number that another one had before the loss', async () => {
    const copy = await restored();
    const lost = await enqueueJob(home, jobRequest());
    const farm = open(copy);
    await look(farm);
    const { id } = await enqueueJob(farm, jobRequest());
    expect(id).toBeGreaterThan(lost.id + 999_000);
    expect((await listReconciliation(farm, { instance: LINE, pageSize: 0, pageToken: '' })).restore).toMatchObject({
      cause: 'MOVED',
      jobIdsSkippedFrom: lost.id,
      jobIdsSkipped: 1_000_000,
    });
  });

  it('lets its jobs be watched, though another cluster counts its transactions from the beginning', async () => {
    const job = await enqueueJob(home, jobRequest());
    const copy = await restored();
    // As a dump would bring them into a young cluster.
    await copy.pool.query(`update farm_events set xact = '1000000000000'`);
    // Real time: the watcher looks again while a transaction of any database of the server is older than its events.
    const farm = open(copy, processClock);
    await look(farm);
    const bot = await connect(farm, 'b');
    await bot.poll([done(only(bot.created).id)]);
    const signal = new AbortController().signal;
    const told = [];
    for await (const { event } of watchJob(farm, { instance: LINE, id: job.id, cursor: '', signal })) told.push(event);
    // It ends; and tells the end as an event where an older transaction was still open when it began.
    expect(told[0]).toBeNull();
    expect(told.length === 1 || told.includes('JOB_FINISHED')).toBe(true);
  });

  it('tells no shopfloor anything, even before it has noticed, until its people have resumed that bridge', async () => {
    const unit = await insertUnit(database.pool, 'U1');
    const elsewhere = await insertUnit(database.pool, 'U2', 'line-2');
    const [first, second] = await oweTo(database.pool, unit, [
      ...callsOfStart('SMT', false),
      callOfEvent('SMT', 'Finalize'),
    ]);
    await oweTo(database.pool, elsewhere, [callOfEvent('SMT', 'Finalize')], { instance: 'line-2' });
    const copy = await restored();
    const farm = open(copy);
    expect(await due(farm)).toEqual([]);
    await look(farm);
    expect(await due(farm)).toEqual([]);
    await resumeBridge(farm, { instance: LINE, reason: 'compared, U1 is new to them' });
    expect(farm.events.map(({ kind }) => kind)).toContain('BRIDGE_RESUMED');
    expect(farm.wakes).toContainEqual({ kind: 'lanes' });
    expect(await due(farm)).toEqual([first]);
    expect(await due(farm)).toEqual([second]);
    await expect(resumeBridge(farm, { instance: LINE, reason: 'again' })).rejects.toMatchObject({
      kind: 'WRONG_STATE',
      reason: 'BRIDGE_NOT_PAUSED',
    });
    await expect(resumeBridge(farm, { instance: 'line-2', reason: ' ' })).rejects.toMatchObject({ kind: 'INVALID' });
  });

  it('binds servers of any version: a send that is not let be journalled is not made', async () => {
    const unit = await insertUnit(database.pool, 'U1');
    const [call] = await oweTo(database.pool, unit, [callOfEvent('SMT', 'Finalize')]);
    const copy = await restored();
    const journal = copy.pool.query(
      `insert into call_sends (call_id, number, replica) values ($1, 1, gen_random_uuid())`,
      [call],
    );
    await expect(journal).rejects.toMatchObject({ code: '40001', message: expect.stringMatching(/bridge is paused/) });
  });

  it('records the answer that comes after the loss, and sends no next call', async () => {
    const unit = await insertUnit(database.pool, 'U1');
    const [first] = await oweTo(database.pool, unit, [...callsOfStart('SMT', false), callOfEvent('SMT', 'Finalize')]);
    const [answered] = await answerDue(home, () => {
      // As after a promotion, while the call is under way: what was claimed has come along.
      void database.pool.query(`update farm_marks set database_mark = '0/00000000/0/0'`);
      return YES;
    });
    expect(answered).toMatchObject({ call: { id: first }, recorded: { kind: 'let go' } });
    await look(home);
    expect(await restoresOf(database)).toEqual([{ number: 1, cause: 'MOVED' }]);
    const { rows } = await database.pool.query('select state, sends from shopfloor_calls order by position');
    expect(rows).toEqual([
      { state: 'DELIVERED', sends: 1 },
      { state: 'OWED', sends: 0 },
    ]);
  });

  it('shows what to compare: what is owed, what was under way, what was told shortly before', async () => {
    const [old, recent, underWay, owed] = [
      await insertUnit(database.pool, 'OLD'),
      await insertUnit(database.pool, 'RECENT'),
      await insertUnit(database.pool, 'UNDER-WAY'),
      await insertUnit(database.pool, 'OWED'),
    ];
    const event = callOfEvent('SMT', 'Finalize');
    await database.setNow(new Date(NOW.getTime() - 2 * HOUR_MS));
    await oweTo(database.pool, old, [event]);
    await oweTo(database.pool, underWay, [event]);
    await due(home);
    await database.setNow(NOW);
    await oweTo(database.pool, recent, [event]);
    const [told, next] = await oweTo(database.pool, owed, [event, event, event]);
    await due(home);
    await insertJob(database.pool, { deviceId: underWay, station: 'FAT' });
    // Sent, and the backup was taken before it was known what became of it.
    await answerDue(home, () => ({ outage: 'ambiguous' }));
    await enqueueJob(home, jobRequest());
    const copy = await restored();
    const farm = open(copy);
    await look(farm);
    const all = await listReconciliation(farm, { instance: LINE, pageSize: 0, pageToken: '' });
    expect(all.restore).toMatchObject({ number: 1, cause: 'MOVED', lastFactAt: NOW });
    expect(all.entries).toMatchObject([
      {
        deviceId: owed,
        serials: mlb('OWED'),
        cause: 'OWED',
        owed: 2,
        lastTold: { id: told, settledAt: NOW },
        nextOwed: { id: next, sends: 1, possiblyDuplicated: true },
      },
      { deviceId: underWay, cause: 'UNDER_WAY', owed: 0, nextOwed: null },
      { deviceId: recent, cause: 'RECENT', owed: 0, lastTold: { method: 'NotifyEvent' }, nextOwed: null },
    ]);
    const first = await listReconciliation(farm, { instance: LINE, pageSize: 2, pageToken: '' });
    expect(first.entries.map(({ deviceId }) => deviceId)).toEqual([owed, underWay]);
    const rest = await listReconciliation(farm, { instance: LINE, pageSize: 2, pageToken: first.nextPageToken });
    expect(rest).toMatchObject({ entries: [{ deviceId: recent }], nextPageToken: '' });
    await resumeBridge(farm, { instance: LINE, reason: 'compared' });
    expect(await listReconciliation(farm, { instance: LINE, pageSize: 0, pageToken: '' })).toEqual({
      restore: null,
      entries: [],
      nextPageToken: '',
    });
  });
});

describe('a bot that holds a lease of which the restored database knows nothing', () => {
  it('is told to stop it, and its completion changes nothing; the job is done anew', async () => {
    const bot = await connect(home, 'b', { duts: [board('U1')] });
    const { id } = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    const copy = await restored();
    const lost = only(await bot.poll()).id;
    await bot.poll([active(lost)]);
    const farm = open(copy);
    await look(farm);
    // The session is older than the backup, and goes on at the restored farm.
    const reply = await bot.poll([active(lost)], { at: farm });
    expect(reply).toMatchObject({ leases: [], cancelledOnce: [lost] });
    const anew = only(await bot.poll([done(lost)], { at: farm }));
    expect(anew).toMatchObject({ jobId: id, state: 'PENDING' });
    expect(anew.id).not.toBe(lost);
    await bot.poll([active(anew.id)], { at: farm });
    await bot.poll([done(anew.id)], { at: farm });
    expect(await stateOf(farm, id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('comes back with a new session where its own is unknown too, and is told the same', async () => {
    const { id } = await enqueueJob(home, jobRequest());
    const copy = await restored();
    const bot = await connect(home, 'b');
    const lost = only(bot.created).id;
    await bot.poll([active(lost)]);
    const farm = open(copy);
    await look(farm);
    await expect(bot.poll([active(lost)], { at: farm })).rejects.toMatchObject({ kind: 'SESSION_UNKNOWN' });
    const again = await connect(farm, 'b', { leases: [active(lost)] });
    // Left out there (R-CRE-4), and told CANCELLED to a bot that still shows it; with its hands full it gets nothing.
    expect(again.created.leases).toEqual([]);
    expect(await again.poll([active(lost)])).toMatchObject({ leases: [], cancelledOnce: [lost] });
    await again.poll([cancelled(lost)]);
    const anew = only(await again.poll([]));
    expect(anew).toMatchObject({ jobId: id, state: 'PENDING' });
    expect(anew.id).not.toBe(lost);
    await again.poll([active(anew.id)]);
    await again.poll([done(anew.id)]);
    expect(await stateOf(farm, id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });
});
