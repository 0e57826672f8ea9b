/** What a seed draws before its world begins: the line, the bots, the jobs. Faults are drawn in faults.ts. */
import type { Line, StationRule } from '../../src/core/line.ts';
import type { Emphasis } from './emphases.ts';
import type { Prng } from './prng.ts';

export const MINUTE_MS = 60_000;

export type DrawnBot = {
  readonly botId: string;
  readonly instance: string;
  /** Main boards of the units it drives; empty: none. */
  readonly boards: readonly string[];
  readonly capacity: number;
  readonly pool: string;
  /** `sdk` is the reference bot; `field` an older client of its own habits. */
  readonly kind: 'sdk' | 'field';
  /** Of an older client: how much of each bad habit it has. */
  readonly habits: Habits;
  /** What it shows of itself. */
  readonly shows: 'token' | 'certificate';
  /** Share of its calls that go to another replica than the last. */
  readonly wanders: number;
};

export type Habits = {
  /** Share of the results that it forgets. */
  readonly forgets: number;
  /** Share of what it has reported that it says otherwise in the end; and of its ended work that it brings up again. */
  readonly fickle: number;
};

export type DrawnTest = {
  readonly testId: string;
  readonly durationMs: number;
  readonly outcome: 'PASSED' | 'FAILED' | 'SKIPPED' | 'FAILED_AND_WAIVED';
};

export type DrawnJob = {
  readonly requestId: string;
  readonly atMs: number;
  readonly instance: string;
  readonly station: string;
  readonly board: string | null;
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  readonly pool: string | null;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly attemptsMax: number | null;
  readonly executionTimeoutMs: number | null;
  readonly tests: readonly DrawnTest[];
};

export type Scenario = {
  readonly replicas: readonly string[];
  readonly lines: ReadonlyMap<string, Line>;
  readonly bots: readonly DrawnBot[];
  readonly jobs: readonly DrawnJob[];
  readonly emphasis: Emphasis;
  /** Jobs come, and faults strike, until then. */
  readonly busyMs: number;
};

const ROUTE = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'] as const;
const HOUR_MS = 60 * MINUTE_MS;
/** What is left of the last hour when the faults end: the farm comes to rest. */
const REST_MS = 45 * MINUTE_MS;

export const drawScenario = (prng: Prng, hours: number, emphasis: Emphasis): Scenario => {
  const bots = drawBots(prng.split('bots'), emphasis);
  const jobs = Array.from({ length: Math.max(1, Math.round(hours)) }, (_, hour) =>
    drawJobs(prng.split(`jobs ${hour}`), bots, { fromMs: hour * HOUR_MS, name: `h${hour}` }),
  ).flat();
  return {
    replicas: ['farm-1', 'farm-2', 'farm-3'],
    lines: new Map(['line-1', 'line-2'].map((instance) => [instance, lineOf(instance)])),
    bots,
    jobs: jobs.sort((a, b) => a.atMs - b.atMs),
    emphasis,
    busyMs: Math.max(1, hours) * HOUR_MS - REST_MS,
  };
};

/** Of those in the field; and of the worst. */
const SOME_HABITS: Habits = { forgets: 0.08, fickle: 0.3 };
const BAD_HABITS: Habits = { forgets: 0.2, fickle: 0.6 };

const rule = (station: string, changes: Partial<StationRule> = {}): StationRule => ({
  station,
  mode: 'notify',
  lostAfterMs: 90_000,
  attemptsMax: 3,
  waivable: new Set(['T2']),
  notifyEnd: 'passed',
  taktMs: null,
  tests: [],
  ...changes,
});

const lineOf = (instance: string): Line => ({
  instance,
  shopfloorUrl: `http://partner-of-${instance}/`,
  stations: new Map(
    [
      rule('SMT'),
      rule('FAT', { mode: 'gate' }),
      rule('RUNIN', { lostAfterMs: 5 * MINUTE_MS }),
      rule('FFT'),
      rule('GRT', { notifyEnd: 'always' }),
    ].map((each) => [each.station, each]),
  ),
  anyStation: rule(''),
  events: new Map(),
  actions: new Map(),
  claims: [],
});

const drawBots = (prng: Prng, { wanders, fieldBots, sharedUnits }: Emphasis): DrawnBot[] => {
  const habits = fieldBots ? BAD_HABITS : SOME_HABITS;
  const bots: DrawnBot[] = Array.from({ length: prng.int(5, 6) }, (_, index) => ({
    botId: `bot-${index + 1}`,
    instance: index % 4 === 3 ? 'line-2' : 'line-1',
    boards: [`MLB-${index + 1}`],
    capacity: 1,
    pool: index % 2 === 0 ? 'even' : 'odd',
    kind: fieldBots || index % 5 === 4 ? 'field' : 'sdk',
    habits,
    shows: index % 3 === 2 ? 'certificate' : 'token',
    wanders: prng.pick([0, 0.01, 0.1]),
  }));
  const all: DrawnBot[] = [
    ...bots,
    // Two units on one host, two hosts for one unit, and one that drives none.
    {
      botId: 'bot-twin-nest',
      instance: 'line-1',
      boards: ['MLB-21', 'MLB-22'],
      capacity: 2,
      pool: 'even',
      kind: 'sdk',
      habits,
      shows: 'token',
      wanders: 0.02,
    },
    {
      botId: 'bot-second-host',
      instance: 'line-1',
      boards: sharedUnits ? ['MLB-1', 'MLB-2', 'MLB-3'] : ['MLB-1'],
      capacity: 1,
      pool: 'odd',
      kind: 'sdk',
      habits,
      shows: 'certificate',
      wanders: 0.02,
    },
    {
      botId: 'bot-without-unit',
      instance: 'line-1',
      boards: [],
      capacity: 1,
      pool: 'none',
      kind: 'sdk',
      habits,
      shows: 'token',
      wanders: 0.1,
    },
  ];
  return wanders === null ? all : all.map((bot) => ({ ...bot, wanders }));
};

const drawJobs = (
  prng: Prng,
  bots: readonly DrawnBot[],
  hour: { readonly fromMs: number; readonly name: string },
): DrawnJob[] => {
  const jobs: DrawnJob[] = [];
  const hosts = bots.filter(({ boards }) => boards.length > 0);
  const at = (): number => hour.fromMs + prng.between(0, HOUR_MS - REST_MS - 5 * MINUTE_MS);
  const add = (job: Partial<DrawnJob> & Pick<DrawnJob, 'station' | 'instance' | 'atMs'>): void => {
    jobs.push({
      requestId: `${hour.name}-${jobs.length + 1}`,
      board: null,
      route: null,
      onFailed: prng.pick(['stop', 'continue']),
      pool: null,
      requestedBotId: null,
      priority: prng.int(-1, 1),
      attemptsMax: null,
      executionTimeoutMs: null,
      tests: drawTests(prng, job.station),
      ...job,
    });
  };
  for (const bot of prng.some(hosts, 7)) {
    const board = prng.pick(bot.boards);
    const atMs = at();
    const first = prng.int(0, 2);
    for (const station of ROUTE.slice(first, first + prng.int(2, 4))) {
      add({ station, instance: bot.instance, board, route: `${hour.name}-${board}`, atMs });
    }
  }
  for (let n = 0; n < 14; n += 1) {
    const bot = prng.pick(hosts);
    add({ station: prng.pick(ROUTE), instance: bot.instance, board: prng.pick(bot.boards), atMs: at() });
  }
  for (let n = 0; n < 14; n += 1) {
    const pool = prng.pick(['even', 'odd', 'none', null]);
    add({ station: prng.pick(['SMT', 'FFT', 'GRT']), instance: 'line-1', pool, atMs: at() });
  }
  for (let n = 0; n < 8; n += 1) {
    const { botId, instance } = prng.pick(bots);
    const executionTimeoutMs = prng.chance(0.3) ? 20_000 : null;
    add({
      station: 'SMT',
      instance,
      requestedBotId: botId,
      atMs: at(),
      executionTimeoutMs,
      attemptsMax: prng.pick([null, 1, 5]),
    });
  }
  while (jobs.length < 60) add({ station: 'FFT', instance: 'line-2', atMs: at() });
  return jobs;
};

const drawTests = (prng: Prng, station: string): DrawnTest[] =>
  Array.from({ length: prng.pick([1, 1, 2]) }, (_, index) => ({
    testId: `T${index + 1}`,
    durationMs: station === 'RUNIN' ? prng.between(60_000, 300_000) : prng.between(500, 25_000),
    outcome: prng.chance(0.88) ? 'PASSED' : prng.pick(['FAILED', 'SKIPPED', 'FAILED_AND_WAIVED'] as const),
  }));
