/**
 * kill -9 of one replica while its call to a slow partner is under way. Another real process takes its lanes over, in the
 * middle of a call, and the partner may by then have taken what the dead one sent.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { expectToldInOrder, type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

const STATIONS = ['SMT', 'FAT', 'GRT'];
const UNITS = ['TAKEN-0', 'TAKEN-1', 'TAKEN-2', 'TAKEN-3'];
/** Of every answer, until somebody has died: a call that has just begun is still under way when its sender is dead. */
const SLOW_MS = 1_500;
/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 120_000;

let site: Site;
let dying: StandingFarm;
let heir: StandingFarm;
let door: FarmDoor;
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: STATIONS.map((name) => ({ name })) }],
    // Far more than it needs, so that nobody else's call ends in doubt on a busy machine.
    set: ['limits.calls.timeout=8s', 'limits.lanes.lease=10s'],
  });
  await site.shopfloor().start();
  await site.command({ faults: [{ kind: 'slow', ms: SLOW_MS }] });
  // One lane at a time for the heir: the others are left to the replica that is to die with them.
  dying = await site.farm('dying');
  heir = await site.farm('heir', { set: ['limits.lanes.concurrentMax=1'] });
  await dying.start();
  await heir.start();
  door = openFarmDoor(heir);
  // The bots are the heir's, so that the work goes on: only the lanes change hands.
  for (const board of UNITS) {
    await site.bot(`bot-${board}`, heir, ['--instance', LINE, '--serial', `mlb_serial_number=${board}`]).start();
  }
}, TIMEOUT_MS);
afterAll(async () => {
  door.close();
  await site.close();
});

/** Calls that this replica has under way, by its journal; `youngMs`: only those begun so lately. */
const underWay = (replica: string, youngMs = 60_000): Promise<readonly string[]> =>
  site.database(async (db) => {
    const { rows } = await db.query<{ id: string }>(
      `select c.id from call_sends s join shopfloor_calls c on c.id = s.call_id
       join lanes l on l.device_id = c.device_id and l.head_position = c.position
       where s.replica = $1 and s.outcome is null and s.sent_at > farm_now() - $2 * interval '1 millisecond'
       order by c.id`,
      [replica, youngMs],
    );
    return rows.map(({ id }) => id);
  });

/** The replica as the database knows it, which its log says. */
const idOf = (farm: StandingFarm): string => /"replica":"([0-9a-f-]{36})"/.exec(farm.log())?.[1] ?? '';

test(
  'the partner sees every lane in order, and again only what the dead replica had under way',
  { timeout: TIMEOUT_MS },
  async () => {
    const dead = idOf(dying);
    await door.enqueueAll(
      UNITS.flatMap((board) => STATIONS.map((station) => ({ station, board, route: 'line', ms: 100 }))),
    );
    await eventually(async () => expect(await underWay(dead, SLOW_MS / 3)).not.toEqual([]));
    await dying.kill();
    const left = await underWay(dead);
    expect(left).not.toEqual([]);
    await site.command({ faults: [] });

    const jobs = await Promise.all((await door.jobs()).map(({ id }) => door.jobIn(id, JobState.FINISHED)));
    expect(jobs).toHaveLength(UNITS.length * STATIONS.length);
    expect(jobs.filter(({ verdict, attempts }) => verdict !== Verdict.VERDICT_PASSED || attempts !== 1)).toEqual([]);
    const calls = await door.settledCalls();
    const journal = await site.journal();
    expectToldInOrder(calls, journal);
    expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [], gapsAfter: [] });

    // Nobody knows of those what became of them, and so the heir sent them again; nothing else was in doubt.
    const doubtful = calls.filter(({ possiblyDuplicated }) => possiblyDuplicated).map(({ id }) => id);
    expect(doubtful.sort()).toEqual(left);
    const { rows: sends } = await site.database((db) =>
      db.query('select replica, outcome from call_sends where call_id = any($1::uuid[]) order by call_id, number', [
        left,
      ]),
    );
    const heirs = idOf(heir);
    expect(sends).toEqual(
      left.flatMap(() => [
        { replica: dead, outcome: 'ambiguous' },
        { replica: heirs, outcome: 'answered' },
      ]),
    );
    const repeated = journal.flatMap(({ outcome, key }) => (outcome === 'repeated' ? [key] : []));
    expect(repeated.filter((key) => !left.includes(key ?? ''))).toEqual([]);
    expect(await site.doctor()).toEqual([]);
    expect(await heir.stop()).toBe(0);
  },
);
