/** A farm that runs, with everything that can go wrong in reach, and a real Prometheus that alerts when it does. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { openPrometheus, type Prometheus } from '../../support/prometheus.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../../support/farm-door.ts';
import { eventually, openSite, type Site, type Standing, type StandingFarm } from '../../support/farm-site.ts';
import { rulesText, shortened } from '../expressions.ts';
import { type FieldCrew, openCrew } from './crew.ts';
import { openSecondReplica, type SecondReplica } from './second-replica.ts';

export type Labels = Readonly<Record<string, string>>;

export type Stage = {
  readonly site: Site;
  readonly shopfloor: Standing;
  readonly farm: StandingFarm;
  /** With TLS, uploads, and a way to the database that can be cut. */
  readonly second: SecondReplica;
  /** With few connections to the database. No bot is at home there, and it tells no shopfloor. */
  readonly narrow: StandingFarm;
  readonly door: FarmDoor;
  readonly crew: FieldCrew;
  readonly prometheus: Prometheus;
  /** The alert fires, or has fired already; what Prometheus would send is in whole sentences. */
  readonly fires: (alert: string, labels?: Labels) => Promise<void>;
  /** The alert that fired does so no more. */
  readonly ends: (alert: string, labels?: Labels) => Promise<void>;
  /** Alerts that fired, and ended. */
  readonly seen: ReadonlySet<string>;
  readonly close: () => Promise<void>;
};

/** The DUTs of the one bot that tests them for the shopfloor, by their main boards. */
export const boards = ['UNIT-1', 'UNIT-2', 'UNIT-3', 'UNIT-4'] as const;

/** Of every replica, for any of them may come to lead. */
const shared = [
  ...['session.ttl=3s', 'session.lostAfter=6s', 'session.fence=1500ms', 'replica.silentMax=1s'],
  ...['leadership.eventsHeld=1s', 'history.check=1s', 'audit.verifyEvery=500ms'],
].map((setting) => `limits.${setting}`);

/** The addresses that Prometheus calls `instance`. */
export const addressOf = ({ httpUrl }: StandingFarm): string => httpUrl.replace('http://', '');

export type StageOptions = {
  /** Debian's package of Prometheus, unpacked. */
  readonly programs: string;
  /** The address of the farm's factory door. */
  readonly factory: string;
};

export const openStage = async ({ programs, factory }: StageOptions): Promise<Stage> => {
  /** What was opened, in that order. */
  const closing: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closing.toReversed()) await one();
  };
  try {
    return { ...(await open(closing, { programs, factory })), close };
  } catch (error) {
    await close();
    throw error;
  }
};

const open = async (closing: (() => unknown)[], { programs, factory }: StageOptions): Promise<Omit<Stage, 'close'>> => {
  const site = await openSite({
    lines: (url) => [
      {
        instance: LINE,
        shopfloor: { url },
        stations: [{ name: 'SMT' }, { name: 'FAT', takt: '10ms' }, { name: 'MIC' }],
      },
    ],
    set: shared,
  });
  closing.push(() => site.close());
  const shopfloor = site.shopfloor();
  await shopfloor.start();
  const farm = await site.farm('farm', { factory });
  await farm.start();
  const second = await openSecondReplica(site, shared);
  closing.push(() => second.close());
  const narrow = await site.farm('narrow', { lines: [{ instance: LINE }], set: ['limits.postgres.poolMax=4'] });
  await narrow.start();
  const door = openFarmDoor(farm);
  closing.push(() => door.close());
  const crew = openCrew(farm.address);
  closing.push(() => crew.close());
  const prometheus = await openPrometheus({
    programs,
    folder: join(site.folder, 'prometheus'),
    targets: [
      { scheme: 'http', address: addressOf(farm) },
      { scheme: 'https', address: second.opsAddress },
      { scheme: 'http', address: addressOf(narrow) },
    ],
    rules: shortened(rulesText),
  });
  closing.push(() => prometheus.close());
  // What counts must have been seen at 0: to Prometheus a series that begins with a value has not grown.
  await eventually(async () => expect(await prometheus.query('up == 1')).toHaveLength(3));
  const fixtures = boards.slice(1).flatMap((board) => ['--device', `${board}:mlb_serial_number=${board}`]);
  const own = ['--serial', `mlb_serial_number=${boards[0]}`, '--capacity', String(boards.length), ...fixtures];
  await site.bot('bot-1', farm, ['--instance', LINE, ...own]).start();
  return { site, shopfloor, farm, second, narrow, door, crew, prometheus, ...watch(prometheus) };
};

const watch = (prometheus: Prometheus): Pick<Stage, 'fires' | 'ends' | 'seen'> => {
  const fired = new Set<string>();
  const seen = new Set<string>();
  return {
    seen,
    fires: async (alert, labels = {}) => {
      await eventually(async () => {
        const firing = await prometheus.query(`last_over_time(${seriesOf(alert, labels)}[1h])`);
        expect(firing, `${alert} should fire`).not.toEqual([]);
      });
      fired.add(alert);
      for (const { annotations } of await prometheus.alerts()) {
        const { summary, description } = annotations;
        expect(`${summary} ${description}`).not.toMatch(/<no value>|error|%!/);
      }
    },
    ends: async (alert, labels = {}) => {
      await eventually(async () => {
        expect(await prometheus.query(seriesOf(alert, labels)), `${alert} should end`).toEqual([]);
      });
      expect(fired).toContain(alert);
      seen.add(alert);
    },
  };
};

const seriesOf = (alert: string, labels: Labels): string => {
  const wanted = Object.entries({ alertname: alert, alertstate: 'firing', ...labels });
  return `ALERTS{${wanted.map(([name, value]) => `${name}="${value}"`).join(',')}}`;
};
