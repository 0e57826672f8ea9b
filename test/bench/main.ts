/** `npm run bench`: the farm beside what it could be at best, in one run on one machine. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { startProgress } from '../../src/cli/progress.ts';
import { processTerminal, type Terminal } from '../../src/cli/terminal.ts';
import { fallOf, fallWords } from './collapse.ts';
import { measures } from './list.ts';
import { type Measure, NoBaseline, type Reading } from './measure.ts';
import { writePage } from './page.ts';
import { exitCodeOf, exitCodes, furtherOf, jsonLine, machineWords, type Row, tableOf } from './report.ts';
import { type BenchSite, openBenchSite } from './site.ts';

type Flags = {
  readonly only?: readonly number[];
  readonly quick?: true;
  readonly pairs?: number;
  readonly json?: true;
  readonly collapse?: true;
  readonly write?: true;
  readonly profile?: string;
};

const PAIRS = 5;
const PAIRS_QUICK = 3;
/** On a machine that is busy everything takes longer, and says less. No row begins after this; what has begun is done. */
const COLLAPSE_BUDGET_MS = 270_000;

const help = `
Each measure runs what it is compared with and the farm in turn, A-B-A-B, on a PostgreSQL with fsync on, and takes the
median of the ratios. Where the baseline wanders by more than 15 % it is not judged: run it on a quiet machine.

Exit codes
  ${exitCodes.pass}  every measure reached its must (with --collapse: none collapsed)
  ${exitCodes.miss}  one missed it, or the run itself failed
  ${exitCodes.usage}  wrong flags
  ${exitCodes.noisy}  none missed, but one could not be judged`;

const ids = (text: string): readonly number[] => {
  const wanted = text.split(',').map(Number);
  const known = new Set(measures.map(({ id }) => id));
  const stranger = wanted.find((id) => !known.has(id));
  if (stranger !== undefined) throw new InvalidArgumentError(`There is no measure ${stranger}.`);
  return wanted;
};

const pairs = (text: string): number => {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('A whole number from 1 to 99.');
  return Number(text);
};

const program = new Command('bench')
  .description('Measures the farm against what it could be at best.')
  .option('--only <ids>', 'these measures, by number, with commas between', ids)
  .option('--quick', 'the short form; without --only, of those measures that have one')
  .option('--pairs <n>', `so many pairs; ${PAIRS} by default, ${PAIRS_QUICK} with --quick`, pairs)
  .option('--json', 'one object a line on standard output instead of tables')
  .option('--collapse', 'fail only on collapse: half of a must, or of what a row that is known to miss had reached')
  .option('--write', 'put the results into docs/explanation/performance.md, with plots')
  .option('--profile <dir>', 'leave a CPU profile of each server there; they are slower then')
  .addHelpText('after', help)
  .exitOverride();

const chosen = ({ only, quick }: Flags): readonly Measure[] =>
  measures.filter(({ id, inQuick }) => (only === undefined ? inQuick || quick !== true : only.includes(id)));

async function main(terminal: Terminal): Promise<number> {
  const flags = program.parse().opts<Flags>();
  const quick = flags.quick === true;
  const list = chosen(flags);
  terminal.say(machineWords());
  const progress = startProgress(terminal, { total: list.length, what: 'measures' });
  const rows: Row[] = [];
  const site = await openBenchSite({ profiles: flags.profile ?? null });
  endOnSignals(site);
  try {
    for (const measure of list) {
      const { id, name } = measure;
      if (flags.collapse === true && performance.now() > COLLAPSE_BUDGET_MS) {
        terminal.say(`row ${id} was not measured: the time for this is up`);
        continue;
      }
      const say = (words: string): void => {
        if (terminal.progress === null) terminal.say(`${id}: ${words}`);
        else progress.show(rows.length, `${id} ${name}: ${words}`);
      };
      say('begins');
      const bench = { quick, pairs: flags.pairs ?? (quick ? PAIRS_QUICK : PAIRS), say, site };
      const reading = await measure.run(bench).catch(async (error: unknown) => {
        await site.clear();
        return failed(terminal, error);
      });
      const row = { id, name, ...reading };
      rows.push(row);
      if (flags.json === true) terminal.print(jsonLine(row));
    }
  } finally {
    progress.end();
    await site.close();
  }
  if (flags.json !== true) [tableOf(rows), ...furtherOf(rows)].forEach(terminal.print);
  if (flags.write === true) writePage(rows, { command: commandWords(), machine: machineWords(), date: new Date() });
  if (flags.collapse !== true) return exitCodeOf(rows);
  fallWords(rows).forEach(terminal.say);
  return rows.some((row) => fallOf(row) === 'collapsed') ? exitCodes.miss : exitCodes.pass;
}

/** A measure that could not be run has missed, unless there was nothing to compare with; the others are run all the same. */
const failed = (terminal: Terminal, error: unknown): Reading => {
  terminal.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const none = { baseline: '–', must: '–', aim: '–', spread: 0, baselineSpread: null, n: 0 };
  const verdict = error instanceof NoBaseline ? 'noisy' : 'miss';
  return { ...none, ratio: Number.NaN, system: 'failed', verdict };
};

/** PostgreSQL is away from our terminal, and would outlive a Ctrl-C. */
const endOnSignals = (site: BenchSite): void => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void site.close().finally(() => process.exit(exitCodes.miss)));
};

const commandWords = (): string => {
  const words = process.argv.slice(2).filter((word) => word !== '--write');
  return words.length === 0 ? 'npm run bench' : `npm run bench -- ${words.join(' ')}`;
};

const terminal = processTerminal(process);
try {
  process.exitCode = await main(terminal);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  else {
    terminal.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = exitCodes.miss;
  }
}
