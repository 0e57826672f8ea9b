/** Faults are drawn before the world begins, each with its time, so that a failing run can be repeated with fewer of them. */
import { failOver } from './fail-over.ts';
import type { FaultSort } from './emphases.ts';
import type { Prng } from './prng.ts';
import { MINUTE_MS, type Scenario } from './scenario.ts';
import type { Site } from './site.ts';
import type { StatementFault } from './sim-pool.ts';
import type { PartnerMood, Trouble } from './weather.ts';

export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'trouble'; readonly forMs: number; readonly trouble: Trouble }
  | { readonly kind: 'crash'; readonly names: readonly string[]; readonly atPort: number; readonly downMs: number }
  | { readonly kind: 'stop'; readonly name: string; readonly forMs: number }
  | { readonly kind: 'lost at work'; readonly botId: string; readonly how: 'crash' | 'stop'; readonly forMs: number }
  | { readonly kind: 'clock step'; readonly name: string; readonly byMs: number }
  | { readonly kind: 'twin'; readonly botId: string; readonly forMs: number }
  | { readonly kind: 'cancel'; readonly job: number }
  | { readonly kind: 'look'; readonly job: number }
  | { readonly kind: 'drain'; readonly pattern: string; readonly forMs: number }
  | { readonly kind: 'quarantine'; readonly botId: string; readonly forMs: number }
  | { readonly kind: 'revoke'; readonly botId: string }
  | { readonly kind: 'rotate'; readonly botId: string; readonly overlapMs: number; readonly lateMs: number }
  | { readonly kind: 'break connections' }
  | { readonly kind: 'failover' }
);

const FAULTS = [26, 40] as const;
/** Share of the seeds in which the database fails over, once. */
const FAILOVER_RATE = 0.2;
/** Of the times in which one replica alone cannot reach the database, those that outlast its bots' patience. */
const LONG_CUTOFF_RATE = 1 / 3;
/** Of the bots that are lost at work, those with a unit that another host drives too. */
const SHARER_RATE = 0.7;
const FIRST_MS = 20_000;
const SECOND_MS = 1_000;

export const drawFaults = (prng: Prng, scenario: Scenario, hours: number): Fault[] => {
  const n = Math.round(prng.int(...FAULTS) * Math.max(1, hours));
  const faults: Fault[] = Array.from({ length: n }, (_, index) => {
    const own = prng.split(`fault ${index}`);
    return { atMs: own.between(FIRST_MS, scenario.busyMs - MINUTE_MS), ...drawFault(own, scenario) };
  });
  const { climate, failsOver } = scenario.emphasis;
  if (failsOver || prng.chance(FAILOVER_RATE)) {
    faults.push({ atMs: prng.between(5 * MINUTE_MS, scenario.busyMs - 5 * MINUTE_MS), kind: 'failover' });
  }
  for (const trouble of climate)
    faults.push({ atMs: FIRST_MS, kind: 'trouble', forMs: scenario.busyMs - FIRST_MS, trouble });
  return faults.sort((a, b) => a.atMs - b.atMs);
};

/** One without its time. */
type Kind = Fault extends infer F ? (F extends { readonly atMs: number } ? Omit<F, 'atMs'> : never) : never;

const drawFault = (prng: Prng, scenario: Scenario): Kind => {
  const { times } = scenario.emphasis;
  const shares = draws.map(({ sort, share }) => share * (times[sort] ?? 1));
  const total = shares.reduce((sum, share) => sum + share, 0);
  let drawn = prng.random() * total;
  const found = draws[shares.findIndex((share) => (drawn -= share) < 0)] ?? draws[0]!;
  return found.draw(prng, scenario);
};

type Draw = {
  readonly sort: FaultSort;
  readonly share: number;
  readonly draw: (prng: Prng, scenario: Scenario) => Kind;
};

const drawNetworkTrouble = (prng: Prng, { replicas, bots }: Scenario): Kind => {
  const one = prng.pick(replicas);
  const other = prng.pick([...replicas, ...bots.map(({ botId }) => botId), '*', 'partner']);
  const [from, to] = prng.chance(0.5) ? [one, other] : [other, one];
  const forMs = prng.pick([prng.between(2, 20), prng.between(20, 240)]) * SECOND_MS;
  const trouble = prng.pick<Trouble>([
    { kind: 'cut', from, to },
    { kind: 'cut', from, to },
    { kind: 'loss', rate: prng.between(0.05, 0.5) },
    { kind: 'duplication', rate: prng.between(0.1, 0.5) },
    { kind: 'delay', maxMs: prng.between(200, 12_000) },
    { kind: 'lost notices', rate: prng.pick([0.5, 1]) },
  ]);
  return { kind: 'trouble', forMs, trouble };
};

const drawDatabaseTrouble = (prng: Prng, { replicas }: Scenario): Kind => {
  const replica = prng.pick([...replicas, null]);
  if (prng.chance(0.3)) {
    const seconds = replica !== null && prng.chance(LONG_CUTOFF_RATE) ? prng.between(60, 240) : prng.between(2, 60);
    return { kind: 'trouble', forMs: seconds * SECOND_MS, trouble: { kind: 'no database', replica } };
  }
  const fault = prng.pick<StatementFault>([
    'serialization',
    'error before',
    'lost before',
    'lost after',
    'lost after',
    'slow',
    'slow answer',
    'slow answer',
  ]);
  const rate = prng.between(0.01, 0.15);
  return {
    kind: 'trouble',
    forMs: prng.between(10, 120) * SECOND_MS,
    trouble: { kind: 'statements', replica, fault, rate },
  };
};

const drawPartnerTrouble = (prng: Prng): Kind => {
  const mood = prng.pick<PartnerMood>(['refused', 'slow', 'drop', 'drop', 'fault', 'garbage']);
  // A fault is counted against its call; a partner that answers nothing else for long makes dead letters.
  const forMs = prng.chance(0.07) ? 60 * MINUTE_MS : prng.between(10, 240) * SECOND_MS;
  const rate = prng.pick([0.3, 0.6, 1]);
  return { kind: 'trouble', forMs, trouble: { kind: 'partner', mood, rate: mood === 'fault' ? 0.5 : rate } };
};

const drawCrash = (prng: Prng, { replicas, bots }: Scenario): Kind => {
  const name = prng.chance(0.65) ? prng.pick(replicas) : prng.pick(bots).botId;
  const downMs = prng.pick([0, prng.between(5, 60), prng.between(60, 600)]) * SECOND_MS;
  return { kind: 'crash', names: [name], atPort: prng.int(1, 60), downMs };
};

const drawStop = (prng: Prng, { replicas, bots }: Scenario): Kind => {
  const name = prng.chance(0.65) ? prng.pick(replicas) : prng.pick(bots).botId;
  return {
    kind: 'stop',
    name,
    forMs: prng.pick([prng.between(2, 15), prng.between(15, 100), prng.between(100, 180)]) * SECOND_MS,
  };
};

/** The farm itself is away: no bot may be thought lost for it. */
const drawOutage = (prng: Prng, { replicas }: Scenario): Kind =>
  prng.chance(0.5)
    ? { kind: 'crash', names: replicas, atPort: 1, downMs: prng.between(20, 200) * SECOND_MS }
    : { kind: 'trouble', forMs: prng.between(20, 200) * SECOND_MS, trouble: { kind: 'no database', replica: null } };

const drawOperation = (prng: Prng, { bots }: Scenario): Kind =>
  prng.chance(0.5)
    ? {
        kind: 'drain',
        pattern: prng.pick(['bot-*', 'bot-1', 'bot-twin-nest']),
        forMs: prng.between(10, 200) * SECOND_MS,
      }
    : { kind: 'quarantine', botId: prng.pick(bots).botId, forMs: prng.between(10, 200) * SECOND_MS };

const drawTokenOperation = (prng: Prng, { bots }: Scenario): Kind => {
  const { botId } = prng.pick(bots.filter(({ shows }) => shows === 'token'));
  if (prng.chance(0.7)) return { kind: 'revoke', botId };
  const overlapMs = prng.between(5, 120) * SECOND_MS;
  // Some go over to the new token too late.
  return { kind: 'rotate', botId, overlapMs, lateMs: prng.between(0, 1.3) * overlapMs };
};

const drawTwin = (prng: Prng, { bots }: Scenario): Kind => ({
  kind: 'twin',
  botId: prng.pick(bots).botId,
  forMs: prng.between(20, 120) * SECOND_MS,
});

const drawClockStep = (prng: Prng, { replicas }: Scenario): Kind => ({
  kind: 'clock step',
  name: prng.pick(replicas),
  byMs: prng.pick([-3_600_000, -5_000, 5_000, 7_200_000]),
});

/** In the midst of a test, and for so much longer than most stations wait for a bot that another could get its unit. */
const drawLostAtWork = (prng: Prng, { bots }: Scenario): Kind => {
  const drivers = bots.filter(({ boards }) => boards.length > 0);
  const hostsOf = (board: string): number => drivers.filter(({ boards }) => boards.includes(board)).length;
  const sharers = drivers.filter(({ boards }) => boards.some((board) => hostsOf(board) > 1));
  return {
    kind: 'lost at work',
    botId: prng.pick(prng.chance(SHARER_RATE) ? sharers : drivers).botId,
    how: prng.pick(['crash', 'stop']),
    forMs: prng.between(130, 240) * SECOND_MS,
  };
};

/** Of all faults that are drawn, the share of each sort. */
const draws: readonly Draw[] = [
  { sort: 'network', share: 16, draw: drawNetworkTrouble },
  { sort: 'database', share: 8, draw: drawDatabaseTrouble },
  { sort: 'partner', share: 8, draw: drawPartnerTrouble },
  { sort: 'crash', share: 9, draw: drawCrash },
  { sort: 'stop', share: 7, draw: drawStop },
  { sort: 'lost at work', share: 3, draw: drawLostAtWork },
  { sort: 'outage', share: 2, draw: drawOutage },
  { sort: 'cancel', share: 12, draw: (prng, { jobs }) => ({ kind: 'cancel', job: prng.int(0, jobs.length - 1) }) },
  { sort: 'look', share: 5, draw: (prng, { jobs }) => ({ kind: 'look', job: prng.int(0, jobs.length - 1) }) },
  { sort: 'operation', share: 3, draw: drawOperation },
  { sort: 'token', share: 5, draw: drawTokenOperation },
  { sort: 'twin', share: 2, draw: drawTwin },
  { sort: 'clock step', share: 2, draw: drawClockStep },
  { sort: 'break connections', share: 2, draw: () => ({ kind: 'break connections' }) },
];

/** Sets a fault's timer. Whatever it does ends by itself; `Weather.clear` ends what is left. */
export const schedule = (site: Site, fault: Fault): void => {
  const { time, trace, weather } = site.world;
  time.after(fault.atMs - time.nowMs(), () => {
    trace.add('FAULT', sayFault(fault));
    strike(site, fault);
  });
  const strikeLater = (ms: number, then: () => void): void => void time.after(ms, then);
  const strike = ({ line, bots, scenario }: Site, struck: Fault): void => {
    switch (struck.kind) {
      case 'trouble': {
        const { trouble } = struck;
        weather.begin(trouble);
        if (trouble.kind === 'no database') {
          if (trouble.replica === null) site.goesAway();
          for (const [name, { pool }] of site.replicas) if ((trouble.replica ?? name) === name) pool.breakAll();
        }
        strikeLater(struck.forMs, () => {
          weather.end(trouble);
          if (trouble.kind === 'no database' && trouble.replica === null) site.comesBack();
        });
        return;
      }
      case 'crash':
        for (const name of struck.names) site.crash(name, struck);
        if (struck.names.length === scenario.replicas.length) site.goesAway();
        return;
      case 'stop': {
        const life = site.lifeOf(struck.name);
        life?.stop();
        strikeLater(struck.forMs, () => life?.goOn());
        return;
      }
      case 'lost at work': {
        const { botId, forMs } = struck;
        const lose = (): void =>
          strike(
            site,
            struck.how === 'stop'
              ? { ...struck, kind: 'stop', name: botId }
              : { ...struck, kind: 'crash', names: [botId], atPort: 1, downMs: forMs },
          );
        site.fixtures.atNextRun(botId, lose);
        return;
      }
      case 'clock step':
        site.stepClock(struck.name, struck.byMs);
        return;
      case 'twin': {
        const bot = scenario.bots.find(({ botId }) => botId === struck.botId);
        if (bot === undefined || !bots.has(bot.botId)) return;
        const twin = site.startTwin(bot);
        strikeLater(struck.forMs, () => twin.die());
        return;
      }
      case 'cancel':
      case 'look': {
        const drawn = scenario.jobs[struck.job];
        const known = drawn === undefined ? undefined : line.jobs.get(drawn.requestId);
        if (known !== undefined) void (struck.kind === 'cancel' ? line.cancel(known) : line.look(known));
        return;
      }
      case 'drain':
        line.drain(struck.pattern, struck.forMs);
        return;
      case 'quarantine': {
        const instance = scenario.bots.find(({ botId }) => botId === struck.botId)?.instance ?? '';
        line.quarantine(instance, struck.botId);
        strikeLater(struck.forMs, () => line.releaseBot(instance, struck.botId));
        return;
      }
      case 'revoke':
      case 'rotate': {
        const bot = scenario.bots.find(({ botId }) => botId === struck.botId);
        if (bot === undefined) return;
        if (struck.kind === 'revoke') site.admin.revoke(bot);
        else void site.admin.rotate(bot, struck);
        return;
      }
      case 'break connections':
        for (const { pool } of site.replicas.values()) pool.breakAll();
        site.world.bus.breakAll();
        return;
      case 'failover':
        failOver(site);
    }
  };
};

export const sayFault = ({ atMs: _at, ...fault }: Fault): string =>
  JSON.stringify(fault, (_key, value: unknown) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value));
