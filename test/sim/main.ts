/** `npm run sim`: the farm, deterministically, seed by seed. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { type Crew, hireCrew, hireHand } from './crew.ts';
import { emphases, emphasisNamed, emphasisOf } from './emphases.ts';
import { catchPlanted, type Caught } from './planted.ts';
import type { SeedResult, SeedRun } from './run-seed.ts';
import { shrink } from './shrink.ts';

/** Over as many lines as it takes, under each other. */
const listed = (names: readonly string[]): string =>
  names.join(', ').replaceAll(/(.{60,80}?), /g, `$1,\n${' '.repeat(16)}`);

const HELP = `Runs the real farm, its bots and its bridge in a simulated world: one clock, one seed, real SQL, and faults.

  npm run sim -- [--seeds N] [--from S] [--emphasis NAME] [--hours H] [--jobs J] [--json]
  npm run sim -- --seed S [--trace]
  npm run sim -- --planted [--bug NAME]...

  --seeds N     how many seeds (100)
  --from S      the first of them (1)
  --seed S      this one alone
  --emphasis E  what every seed dwells on, instead of what its number says:
                ${listed(['none', ...emphases.map(({ name }) => name)])}
  --hours H     virtual hours a seed, each with its own jobs and faults (1)
  --jobs J      processes at once (as many as there are cores)
  --trace       prints the whole trace of the one seed
  --no-shrink   prints a failing seed as it is
  --planted     switches planted bugs on one by one and looks whether the simulation finds them
  --bug NAME    this planted bug alone; may be given again
  --json        one JSON object a line instead of words

Exit codes: 0 all promises held (with --planted: every bug was caught); 1 one was broken (one was missed); 2 bad usage.
`;

const TRACE_SHOWN = 60;
const options = {
  seeds: { type: 'string', default: '100' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  hours: { type: 'string', default: '1' },
  jobs: { type: 'string', default: String(availableParallelism()) },
  trace: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
  planted: { type: 'boolean', default: false },
  bug: { type: 'string', multiple: true },
  emphasis: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Asked = ReturnType<typeof read>;

const read = () => {
  const { values } = parseArgs({ options });
  const count = (name: 'seeds' | 'from' | 'jobs' | 'hours', min: number): number => {
    const n = Number(values[name]);
    if (!Number.isFinite(n) || n < min)
      throw new TypeError(`--${name} is ${values[name]}; it must be a number of at least ${min}`);
    return n;
  };
  if (values.emphasis !== undefined) emphasisNamed(values.emphasis);
  const [seeds, from] = values.seed === undefined ? [count('seeds', 1), count('from', 0)] : [1, Number(values.seed)];
  return {
    ...values,
    seeds,
    from,
    jobs: Math.min(count('jobs', 1), values.planted ? 64 : seeds),
    hours: count('hours', 0.01),
  };
};

const main = async (): Promise<number> => {
  let asked: Asked;
  try {
    asked = read();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  if (asked.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const crew = await hireCrew(asked.jobs);
  try {
    return await (asked.planted ? runPlanted(crew, asked) : runSeeds(crew, asked));
  } finally {
    await crew.leave();
  }
};

const say = (words: string): void => void process.stdout.write(`${words}\n`);

const runSeeds = async (crew: Crew, asked: Asked): Promise<number> => {
  const seeds = Array.from({ length: asked.seeds }, (_, index) => asked.from + index);
  const bar = progressBar(asked, seeds.length, 'seeds');
  const startedMs = performance.now();
  const failed: SeedResult[] = [];
  const hands = new Map<unknown, Awaited<ReturnType<typeof hireHand>>>();
  let statements = 0;
  let fenced = 0;
  let ran = 0;
  await crew.each(seeds, async (seed, server) => {
    const hand = hands.get(server) ?? (await hireHand(server, null));
    hands.set(server, hand);
    const run: SeedRun = {
      seed,
      emphasis: asked.emphasis ?? emphasisOf(seed).name,
      hours: asked.hours,
      traceKept: asked.trace ? 1e7 : TRACE_SHOWN,
      faults: null,
      jobs: null,
    };
    let result = await hand.run(run);
    statements += result.figures.statements;
    fenced += result.figures.fenced;
    if (result.violations.length > 0) {
      if (!asked['no-shrink'] && failed.length === 0) result = await shrink(result, run, hand.run);
      failed.push(result);
      // At once: a run of hours may be ended before its end.
      if (!asked.json) sayFailure(result, asked);
    }
    if (asked.json)
      say(JSON.stringify({ ...result, trace: asked.trace || result.violations.length > 0 ? result.trace : undefined }));
    else if (asked.trace) say(result.trace.join('\n'));
    bar.increment();
    ran += 1;
    if (!asked.json && !process.stdout.isTTY && ran % TOLD_EVERY === 0)
      say(`${ran} of ${seeds.length} seeds, ${failed.length} broke a promise`);
  });
  for (const hand of hands.values()) hand.leave();
  bar.stop();
  if (asked.json) return failed.length > 0 ? 1 : 0;
  const seconds = (performance.now() - startedMs) / 1000;
  say(
    `${seeds.length - failed.length} of ${seeds.length} seeds kept every promise: ${statements} statements, ${fenced} fenced writes, ${seconds.toFixed(1)} s`,
  );
  return failed.length > 0 ? 1 : 0;
};

/** Where no bar is shown, so many seeds are a line. */
const TOLD_EVERY = 100;

const sayFailure = (
  { seed, emphasis, violations, faults, jobs, trace, hash }: SeedResult,
  { hours, emphasis: forced }: Asked,
): void => {
  say(`\nseed ${seed} broke a promise (emphasis ${emphasis}, commit ${commit()}, trace ${hash})`);
  for (const { atMs, invariant, words } of violations)
    say(`  at ${(atMs / 1000).toFixed(3)} s, ${invariant}\n    ${words}`);
  say(`  with ${jobs.length} jobs and ${faults.length} faults:`);
  for (const { words } of faults) say(`    ${words}`);
  say('  the trace ends so:');
  for (const line of trace.slice(-TRACE_SHOWN)) say(`    ${line}`);
  const asked = `${forced === undefined ? '' : ` --emphasis '${forced}'`}${hours === 1 ? '' : ` --hours ${hours}`}`;
  say(`  again: npm run sim -- --seed ${seed}${asked} --trace`);
};

const commit = (): string => {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
};

const runPlanted = async (crew: Crew, asked: Asked): Promise<number> => {
  const startedMs = performance.now();
  const bar = progressBar(asked, null, 'planted bugs');
  const outcomes = await catchPlanted(
    crew,
    { only: asked.bug ?? [], hours: asked.hours, from: asked.from },
    (outcome, total) => {
      bar.setTotal(total);
      bar.increment();
      if (asked.json) say(JSON.stringify(outcome));
    },
  );
  bar.stop();
  if (!asked.json) for (const outcome of outcomes) say(sayOutcome(outcome));
  const missed = outcomes.filter(({ by }) => by === null);
  if (!asked.json)
    say(
      `${outcomes.length - missed.length} of ${outcomes.length} planted bugs were caught, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
    );
  return missed.length > 0 ? 1 : 0;
};

const sayOutcome = ({ bug, by, emphasis, seed, seeds, seconds, words }: Caught): string =>
  by === null
    ? `MISSED ${bug} in ${seeds} seeds`
    : `caught ${bug} in ${seconds.toFixed(1)} s, in seed ${seed} (${emphasis}), the ${seeds}. tried, by ${by}: ${words.split('\n')[0]?.slice(0, 140)}`;

const progressBar = ({ json }: Asked, total: number | null, what: string): SingleBar => {
  const bar = new SingleBar({
    format: `{bar} {value}/{total} ${what}`,
    noTTYOutput: false,
    clearOnComplete: true,
    ...(json ? { stream: process.stderr } : {}),
  });
  bar.start(total ?? 1, 0);
  return bar;
};

process.exitCode = await main();
