/**
 * The chart's alerts and dashboards against a farm that runs, in a real Prometheus: what can be made to go wrong goes wrong,
 * is alerted, is mended, and the alert ends. Spans of time are shortened (`shortened` in expressions.ts). Nothing here
 * waits for a time to pass; what is waited for is a sign.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallState, ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { APPLICATION_ROLE } from '../../src/store/embedded/found.ts';
import { encodeCall } from '../../src/wire/xml-rpc.ts';
import { readPage, root } from '../docs/pages.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, freePort, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { debianPackage } from '../support/debian.ts';
import { openPrometheus, type Prometheus } from '../support/prometheus.ts';
import { type FieldCrew, openCrew } from './crew.ts';
import { alertNames, expressions, rulesText, selectorsOf, shortened } from './expressions.ts';
import { openSecondReplica, type SecondReplica } from './second-replica.ts';

const run = promisify(execFile);
const ALL_MS = 240_000;
/** What no test can bring about quickly or at all; their unit tests are test/ops/rules/. */
const notHere: Readonly<Record<string, string>> = {
  StationGridDeliverySlow: 'needs calls that are a minute late',
  StationGridDutyFails: 'needs a duty that fails while the database is well',
  StationGridEventLoopLag: 'needs a machine that is too slow',
  StationGridHistoryLeft: 'needs a day that cannot be made for two hours',
  StationGridPoolSaturated: 'needs more callers than a pool has connections, for minutes',
  StationGridYieldDrop: 'needs a day of good yield',
};
/** Of a disk with more room than this no configuration can say that it is full. */
const { bavail, bsize } = await statfs(tmpdir());
const isHugeDisk = bavail * bsize >= 2 ** 40;

let programs: string | { readonly skip: string };
let site: Site;
let shopfloor: ReturnType<Site['shopfloor']>;
let farm: StandingFarm;
let second: SecondReplica;
let door: FarmDoor;
let crew: FieldCrew;
let prometheus: Prometheus;
/** What was opened, in that order. */
const closing: (() => unknown)[] = [];
const factory = `127.0.0.1:${await freePort()}`;

beforeAll(async () => {
  programs = await debianPackage('prometheus');
  if (typeof programs !== 'string') return;
  site = await openSite({
    lines: (url) => [
      {
        instance: LINE,
        shopfloor: { url },
        stations: [{ name: 'SMT' }, { name: 'FAT', takt: '10ms' }, { name: 'MIC' }],
      },
    ],
    set: [
      ...['session.ttl=3s', 'session.lostAfter=6s', 'session.fence=1500ms', 'replica.silentMax=1s'],
      'leadership.eventsHeld=1s',
    ].map((setting) => `limits.${setting}`),
  });
  closing.push(() => site.close());
  shopfloor = site.shopfloor();
  await shopfloor.start();
  farm = await site.farm('farm', { factory });
  await farm.start();
  second = await openSecondReplica(site);
  closing.push(() => second.close());
  door = openFarmDoor(farm);
  closing.push(() => door.close());
  crew = openCrew(farm.address);
  closing.push(() => crew.close());
  prometheus = await openPrometheus({
    programs,
    folder: join(site.folder, 'prometheus'),
    targets: [
      { scheme: 'http', address: farm.httpUrl.replace('http://', '') },
      { scheme: 'https', address: second.opsAddress },
    ],
    rules: shortened(rulesText),
  });
  closing.push(() => prometheus.close());
  // What counts must have been seen at 0: to Prometheus a series that begins with a value has not grown.
  await eventually(async () => expect(await prometheus.query('up == 1')).toHaveLength(2));
  await site.bot('bot-1', farm, ['--instance', LINE, '--serial', 'mlb_serial_number=UNIT-1']).start();
}, ALL_MS);
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
});

const seenHere = new Set<string>();

const seriesOf = (alert: string, labels: Labels): string => {
  const wanted = Object.entries({ alertname: alert, alertstate: 'firing', ...labels });
  return `ALERTS{${wanted.map(([name, value]) => `${name}="${value}"`).join(',')}}`;
};
type Labels = Readonly<Record<string, string>>;

/** It fires, or has fired already; what Prometheus would send is in whole sentences. */
const fires = async (alert: string, labels: Labels = {}): Promise<void> => {
  await eventually(async () => {
    const fired = await prometheus.query(`last_over_time(${seriesOf(alert, labels)}[1h])`);
    expect(fired, `${alert} should fire`).not.toEqual([]);
  });
  for (const { annotations } of await prometheus.alerts()) {
    const { summary, description } = annotations;
    expect(`${summary} ${description}`).not.toMatch(/<no value>|error|%!/);
  }
};
const ends = async (alert: string, labels: Labels = {}): Promise<void> => {
  await eventually(async () => {
    expect(await prometheus.query(seriesOf(alert, labels)), `${alert} should end`).toEqual([]);
  });
  seenHere.add(alert);
};
const stationgrid = (...words: string[]) =>
  run(process.execPath, [join(root, 'src/cli/stationgrid.mjs'), ...words], {
    env: { ...process.env, STATIONGRID_SERVER: farm.address, STATIONGRID_INSTANCE: LINE },
  });

/** Expressions that read something of which there is no series. @throws when one is no PromQL. */
const blindSpots = async (): Promise<readonly string[]> => {
  const blind: string[] = [];
  for (const { by, expr } of expressions()) {
    await prometheus.query(expr);
    for (const selector of selectorsOf(expr)) {
      if ((await prometheus.series(selector)).length === 0) blind.push(`${by}: ${selector}`);
    }
  }
  return blind;
};

/** A call that the shopfloor refuses for good; a shopfloor that is away; a bridge that waits for people. */
const bridge = async (): Promise<void> => {
  await site.command({ faults: [{ kind: 'fault', method: 'UpdateTestResult', text: 'never heard of it' }] });
  await door.enqueue({ station: 'FAT', board: 'UNIT-1', ms: 500 });
  await fires('StationGridDeadLetters', { exported_instance: LINE });
  await fires('StationGridCycleOverTakt', { station: 'FAT' });
  await site.command({ faults: [] });
  for (const { id } of (await door.calls()).filter(({ state }) => state === CallState.DEAD)) {
    await door.ask(ShopfloorService.retryCall, { instance: LINE, id });
  }
  await ends('StationGridDeadLetters');
  await ends('StationGridCycleOverTakt');

  await shopfloor.stop();
  await door.enqueue({ station: 'SMT', board: 'UNIT-1' });
  await fires('StationGridBreakerOpen', { exported_instance: LINE });
  await fires('StationGridBridgeBacklogOld', { exported_instance: LINE });
  await shopfloor.start();
  await ends('StationGridBreakerOpen');
  await ends('StationGridBridgeBacklogOld');

  await stationgrid('db', 'restored', '--data', site.folder);
  await fires('StationGridBridgePaused', { exported_instance: LINE });
  await stationgrid('bridge', 'resume', '--reason', 'compared by hand');
  await ends('StationGridBridgePaused');
};

/** Four bots take work and fall silent; then nobody is left who could do it, until one joins. */
const rack = async (): Promise<void> => {
  await crew.vanish(4, { rack: '1' }, () => Promise.all([1, 2, 3, 4].map(() => door.enqueue(workFor('1')))));
  await fires('StationGridBotsLost', { exported_instance: LINE });
  await fires('StationGridLeaseExpiries', { exported_instance: LINE });
  await fires('StationGridNoBotForStation', { exported_instance: LINE });
  const bot = await crew.join({ rack: '1' });
  await ends('StationGridNoBotForStation');
  await ends('StationGridBotsLost');
  await ends('StationGridLeaseExpiries');
  await bot.leave();
};
const workFor = (rack: string) => ({
  station: '',
  constraints: [{ key: 'rack', allowedValues: [rack] }],
  payload: { typeUrl: 'type.example.com/rack.Work', value: Buffer.from('spin') },
});

/** Work that waits beside an idle bot, which is told from work that waits for one. */
const queue = async (): Promise<void> => {
  const jobs = await door.enqueueAll(Array.from({ length: 25 }, () => workFor('2')));
  await site.database(async (db) => {
    // Somebody's transaction has the jobs: whoever looks for work finds them taken.
    await db.query('begin');
    await db.query('select from jobs where id = any($1::bigint[]) for update', [jobs.map(({ id }) => String(id))]);
    const bot = await crew.join({ rack: '2' }, 25);
    await fires('StationGridQueueStuck', { exported_instance: LINE });
    await db.query('rollback');
    await ends('StationGridQueueStuck');
    await fires('StationGridAssignmentSlow', { exported_instance: LINE });
    await bot.leave();
  });
  await ends('StationGridAssignmentSlow');
};

/** The schema, a transaction, and the server's settings, changed behind the farm's back. */
const database = async (): Promise<void> => {
  await site.database(async (db) => {
    const { rows } = await db.query('delete from schema_migrations where number = 1 returning name, sha256');
    await fires('StationGridMigrationPending', { state: 'pending' });
    const { name, sha256 } = rows[0];
    await db.query('insert into schema_migrations (number, name, sha256) values (1, $1, $2)', [name, sha256]);
    await ends('StationGridMigrationPending');
  });
  await site.database(async (db) => {
    await db.query('begin');
    await db.query('select pg_current_xact_id()');
    await door.enqueue({ station: 'SMT', board: 'NOBODY' });
    await fires('StationGridEventsHeld');
    await db.query('rollback');
    await ends('StationGridEventsHeld');
  });
};
/** Its sessions begin anew, with what is set for its role by then. */
const durability = async (): Promise<void> => {
  const toldAgain = (setting: string) =>
    site.superuser(async (db) => {
      await db.query(`alter role ${APPLICATION_ROLE} ${setting}`);
      await db.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [APPLICATION_ROLE]);
    });
  await toldAgain('set synchronous_commit = off');
  await fires('StationGridNotDurable');
  await toldAgain('reset synchronous_commit');
  await ends('StationGridNotDurable');
};

/** The second replica: its certificate, its disk, its way to the database, and itself. */
const replica = async (): Promise<void> => {
  await fires('StationGridCertificateExpires', { severity: 'critical', instance: second.opsAddress });
  if (!isHugeDisk) await fires('StationGridUploadsDiskFull', { severity: 'critical' });
  second.renewCertificate();
  second.cutDatabase();
  await ends('StationGridCertificateExpires');
  await fires('StationGridDatabaseAway', { instance: second.opsAddress });
  second.mendDatabase();
  await ends('StationGridDatabaseAway');
  await second.kill();
  await fires('StationGridReplicaDown', { instance: second.opsAddress });
  await second.start({ uploadsFreeBytesMin: '1 MiB' });
  await ends('StationGridReplicaDown');
  await ends('StationGridUploadsDiskFull', { severity: 'critical' });
};

test(
  'what goes wrong with the bridge, bots, queues, database and a replica is alerted until it is mended',
  { timeout: ALL_MS },
  async (context) => {
    if (typeof programs !== 'string') return context.skip(programs.skip);
    const ends = await Promise.allSettled([bridge(), rack(), queue(), database().then(durability), replica()]);
    expect(ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))).toEqual([]);
  },
);

test(
  'every expression of an alert or a dashboard finds its series in the scrape of the farm',
  { timeout: ALL_MS },
  async (context) => {
    if (typeof programs !== 'string') return context.skip(programs.skip);
    for (const call of [
      encodeCall('Ping', []),
      encodeCall('UploadReport', ['UNIT-1', Buffer.from('a report'), null, 'SMT']),
    ]) {
      expect((await fetch(`http://${factory}/`, { method: 'POST', body: call })).status).toBe(200);
    }
    await expect(door.getJob(10n ** 12n)).rejects.toThrow();
    // What has just happened is in the next scrape.
    await eventually(async () => expect(await blindSpots()).toEqual([]));
  },
);

test('what is scraped is documented, and promtool finds nothing to say of it', { timeout: ALL_MS }, async (context) => {
  if (typeof programs !== 'string') return context.skip(programs.skip);
  const page = await (await fetch(`${farm.httpUrl}/metrics`)).text();
  const emitted = [...page.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name);
  const { text } = readPage('docs/reference/metrics.md');
  expect(emitted.filter((name) => !text.includes(`\n| \`${name}\` `))).toEqual([]);
  const child = execFile(join(programs, 'usr/bin/promtool'), ['check', 'metrics']);
  let words = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (said: string) => (words += said));
  child.stdin?.end(page);
  const [code] = await once(child, 'close');
  expect({ code, words }).toEqual({ code: 0, words: '' });
});

test(
  'a farm of which nothing is left to be scraped is missed, and every alert but those that are named was seen',
  { timeout: ALL_MS },
  async (context) => {
    if (typeof programs !== 'string') return context.skip(programs.skip);
    await second.kill();
    expect(await farm.stop()).toBe(0);
    await fires('StationGridFarmDown', { job: 'stationgrid' });
    await farm.start();
    await ends('StationGridFarmDown');
    expect(alertNames.filter((name) => !seenHere.has(name)).toSorted()).toEqual(Object.keys(notHere).toSorted());
  },
);
