/** One seed: a world is drawn, lives through its busy time and its faults, and then must come to rest. */
import { noticeRestoreAlone } from '../../src/farm/notice-restore.ts';
import { checkDoctor, checkHistory, inspectorOf } from './checks.ts';
import { emphasisNamed } from './emphases.ts';
import { drawFaults, type Fault, sayFault, schedule } from './faults.ts';
import { type DrawnJob, drawScenario } from './scenario.ts';
import { comeToRest } from './settle.ts';
import { Site } from './site.ts';
import type { SimServer } from './sim-server.ts';
import { BUG_THROWN, createWorld, type Violation, type World } from './world.ts';

/** What is to be run: plain values, so that it can be sent to another process. */
export type SeedRun = {
  readonly seed: number;
  /** By its name. */
  readonly emphasis: string;
  /** Virtual; each brings its own jobs and faults. */
  readonly hours: number;
  /** Trace lines that are kept; the hash is over all. */
  readonly traceKept: number;
  /** Which of the drawn faults strike, by their number; null: all. */
  readonly faults: readonly number[] | null;
  /** Which of the drawn jobs come, likewise. */
  readonly jobs: readonly number[] | null;
};

export type SeedResult = {
  readonly seed: number;
  readonly emphasis: string;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly trace: readonly string[];
  /** In words, those that struck. */
  readonly faults: readonly { readonly number: number; readonly words: string }[];
  readonly jobs: readonly number[];
  readonly figures: {
    readonly statements: number;
    readonly virtualMs: number;
    readonly fenced: number;
    readonly calls: number;
  };
};

/** Everybody is up, and nothing has gone wrong yet. */
const START_MS = 2_000;
/** Of the doctor, and of those who compare accounts, while the farm is at work: a broken promise is seen soon. */
const VISITS = 6;

export const runSeed = async (server: SimServer, run: SeedRun): Promise<SeedResult> => {
  const { seed, emphasis, hours } = run;
  const database = `sim_${process.pid}_${seed}`;
  await server.create(database);
  const world = createWorld(seed, { server, database, traceKept: run.traceKept });
  const onRejection = (error: unknown): void => world.violate(BUG_THROWN, `nobody heard of it: ${sayError(error)}`);
  process.on('unhandledRejection', onRejection);
  try {
    const drawn = drawScenario(world.prng.split('scenario'), hours, emphasisNamed(emphasis));
    const faults = numbered(drawFaults(world.prng.split('faults'), drawn, hours), run.faults);
    const jobs = numbered(drawn.jobs, run.jobs);
    const site = new Site(world, drawn);
    await live(
      site,
      jobs.map(([, job]) => job),
      faults.map(([, fault]) => fault),
    );
    return {
      seed,
      emphasis,
      violations: world.violations,
      hash: world.trace.hash(),
      trace: world.trace.lines(),
      faults: faults.map(([number, fault]) => ({
        number,
        words: `${(fault.atMs / 1_000).toFixed(1)} s: ${sayFault(fault)}`,
      })),
      jobs: jobs.map(([number]) => number),
      figures: {
        statements: world.database.statements,
        virtualMs: world.time.nowMs(),
        fenced: site.fenced,
        calls: site.partner.journal.length,
      },
    };
  } finally {
    process.off('unhandledRejection', onRejection);
    world.end();
    await world.database.drop();
  }
};

const numbered = <T>(drawn: readonly T[], kept: readonly number[] | null): (readonly [number, T])[] =>
  drawn.flatMap((each, number) => (kept === null || kept.includes(number) ? [[number, each] as const] : []));

const sayError = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

const live = async (site: Site, jobs: readonly DrawnJob[], faults: readonly Fault[]): Promise<void> => {
  const { world, scenario } = site;
  const { time, weather } = world;
  await noticeRestoreAlone(inspectorOf(world));
  for (const name of scenario.replicas) site.startReplica(name);
  await time.runUntil(START_MS);
  for (const job of jobs) site.line.enqueueAtItsTime(job);
  for (const bot of scenario.bots) void site.hire(bot);
  for (const fault of faults) schedule(site, fault);
  // They may be asked at any time: each sees one snapshot, and nothing happens meanwhile.
  const isBroken = (): boolean => world.violations.length > 0;
  for (const atMs of visits(world, scenario.busyMs)) {
    await time.runUntil(atMs, isBroken);
    if (isBroken()) return;
    await checkDoctor(world);
    await checkHistory(site, (at) => site.isForgiven(at));
    if (isBroken()) return;
  }
  weather.clear();
  site.comesBack();
  site.goOn();
  world.trace.add('FAULT', 'no more faults');
  await comeToRest(site);
  if (isBroken()) return;
  await checkDoctor(world);
  await checkHistory(site, (atMs) => site.isForgiven(atMs));
};

const visits = ({ prng }: World, untilMs: number): number[] => {
  const own = prng.split('visits');
  return [...Array.from({ length: VISITS }, () => own.between(START_MS, untilMs)).sort((a, b) => a - b), untilMs];
};
