/** `npm run chaos`: a whole farm of real processes, and everything that can happen to it. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { startProgress } from '../../src/cli/progress.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import { exitCodes, printReport } from './report.ts';
import { run } from './run.ts';
import { TIMES_DIVIDED_BY } from './times.ts';

type Flags = {
  readonly seconds: number;
  readonly bots: number;
  readonly replicas: number;
  readonly seed: number;
  readonly drainSeconds: number;
  readonly json?: true;
  readonly keep?: true;
};

const SEED_MAX = 2 ** 31;

const help = `
Replicas, hosts of bots, a PostgreSQL (fsync on) and a partner, all real processes, with a network between bots and
replicas that can be cut. Every time of the farm is divided by ${TIMES_DIVIDED_BY}. Processes are killed and frozen, PostgreSQL is
killed, starved of connections and its disk filled, connections are cut, held and let through one way only, the partner
dies, lies and dawdles. Then the farm is left alone and must do what is left; and it is judged by what its clients were
told, by the partner's journal, and by the doctor.

Exit codes
  ${exitCodes.held}  all held
  ${exitCodes.broken}  something happened that must not, or the run itself failed: its words are printed, its logs kept
  ${exitCodes.usage}  wrong flags
  ${exitCodes.provedNothing}  all held, but no zombie had to be fenced, so the run proved nothing`;

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < min || n > max)
      throw new InvalidArgumentError(`A whole number from ${min} to ${max}.`);
    return n;
  };

const program = new Command('chaos')
  .description('Tries to make a farm break a promise.')
  .option('--seconds <n>', 'how long to disturb', whole(5, 86_400), 90)
  .option('--bots <n>', 'DUT bots, on five hosts, or ten to a host', whole(5, 500), 50)
  .option('--replicas <n>', 'replicas of the farm', whole(1, 10), 3)
  .option('--seed <n>', 'of all that is drawn; a new one by default', whole(0, SEED_MAX), Date.now() % SEED_MAX)
  .option('--drain-seconds <n>', 'how long the farm has for the rest, once it is left alone', whole(1, 3_600), 60)
  .option('--json', 'one object on standard output instead of tables')
  .option('--keep', 'keep logs, histories and the journal')
  .addHelpText('after', help)
  .exitOverride();

async function main(): Promise<number> {
  const flags = program.parse().opts<Flags>();
  const terminal = processTerminal(process);
  terminal.say(`seed ${flags.seed}`);
  const progress = startProgress(terminal, { total: flags.seconds, what: 'seconds' });
  const isWatched = terminal.progress !== null;
  const unsaid: string[] = [];
  const options = {
    ...flags,
    keep: flags.keep === true,
    // Lines would tear the bar: what was said is said when it has ended.
    say: isWatched ? (words: string) => void unsaid.push(words) : terminal.say,
    show: (seconds: number, words: string) => progress.show(Math.floor(seconds), words),
  };
  const report = await run(options).finally(() => {
    progress.end();
    unsaid.forEach(terminal.say);
  });
  if (flags.json === true) terminal.print(JSON.stringify(report));
  else printReport(terminal, report);
  return report.exitCode;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  else {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = exitCodes.broken;
  }
}
