/** `npm run fuzz`: throws what nobody should send at everything that listens, and says what did not bear it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { startProgress } from '../../src/cli/progress.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import { allTargets, targetNamed } from './all-targets.ts';
import { FIXTURES, fixtureOf } from './fixtures.ts';
import { fuzz, type FuzzReport, leaks, type NumberedFinding, repeatCommand } from './fuzz.ts';
import { shown, writtenOf } from './input.ts';

const EXIT = { held: 0, found: 1, usage: 2, broken: 70 } as const;

type Flags = {
  readonly seconds: number;
  readonly target: readonly string[];
  readonly seed: string;
  readonly inputs?: number;
  readonly only?: number;
  readonly findings: number;
  readonly keep?: true;
  readonly json?: true;
};

const help = `
Targets
${allTargets.map(({ name, says }) => `  ${name.padEnd(10)} ${says}`).join('\n')}

Everything is real: a farm process on a PostgreSQL of its own, the reference shopfloor, a host for what has no door. After
each input: the process lives; no turn of its event loop took more than 100 ms of CPU time; its memory is bounded; the
answer is one that may be given, with words that teach; what was refused has stored nothing; the next good request works.

An input that breaks any of this is printed with its bytes, its seed and the command that throws it again. Mend the
source, then keep it as a fixture with --keep, so that it is thrown in every npm test (test/fuzz/fixtures.test.ts).

Exit codes
  ${String(EXIT.held)}   all held
  ${String(EXIT.found)}   something did not; it is printed
  ${String(EXIT.usage)}   wrong flags
  ${String(EXIT.broken)}  the run itself failed`;

const whole = (text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A whole number.');
};

const named = (name: string, before: readonly string[]): readonly string[] => {
  if (allTargets.some((target) => target.name === name)) return [...before, name];
  throw new InvalidArgumentError(`There are ${allTargets.map((target) => target.name).join(', ')}.`);
};

const program = new Command('fuzz')
  .description('Throws what nobody should send at everything that listens.')
  .option('--seconds <n>', 'how long, all targets together', whole, 120)
  .option('--target <name>', 'this one alone; may be given again (default: all)', named, [])
  .option('--seed <text>', 'of all that is drawn; a new one by default', String(Date.now() % 2 ** 31))
  .option('--inputs <n>', 'at most so many of each target', whole)
  .option('--only <n>', 'only the input of this number', whole)
  .option('--findings <n>', 'stop at so many', whole, 10)
  .option('--keep', 'write what is found to test/fuzz/fixtures')
  .option('--json', 'one object on standard output')
  .addHelpText('after', help)
  .exitOverride();

const main = async (): Promise<number> => {
  const flags = program.parse().opts<Flags>();
  const terminal = processTerminal(process);
  const targets = flags.target.length === 0 ? allTargets : flags.target.map(targetNamed);
  terminal.say(`seed ${flags.seed}`);
  const progress = startProgress(terminal, { total: flags.seconds, what: 'seconds' });
  const began = performance.now();
  const report = await fuzz({
    ...{ seed: flags.seed, targets, seconds: flags.seconds, findingsMax: flags.findings },
    inputs: flags.inputs ?? null,
    only: flags.only ?? null,
    show: ({ thrown, findings, target }) =>
      progress.show(
        Math.floor((performance.now() - began) / 1000),
        `${String(thrown)} inputs, ${String(findings)} found, ${target}`,
      ),
    found: (finding) => {
      terminal.say(`\n${findingText(finding)}`);
      if (flags.keep === true) keep(finding);
    },
  }).finally(() => progress.end());
  const grown = leaks(report);
  if (flags.json === true) terminal.print(JSON.stringify(jsonOf(report, grown)));
  else for (const line of summary(report, grown)) terminal.print(line);
  return report.findings.length > 0 || grown.length > 0 ? EXIT.found : EXIT.held;
};

const findingText = (finding: NumberedFinding): string =>
  [
    `FOUND by ${finding.target}, input ${String(finding.number)} of seed ${finding.seed}`,
    ...finding.wrong.map((line) => `  ${line}`),
    shown(finding.input),
    `  again: ${repeatCommand(finding)}`,
  ].join('\n');

const keep = (finding: NumberedFinding): void => {
  const folder = new URL(`${finding.target}/`, FIXTURES);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${finding.seed}-${String(finding.number)}.json`, folder), fixtureOf(finding));
};

const jsonOf = ({ findings, ...report }: FuzzReport, grown: readonly string[]) => ({
  ...report,
  grown,
  findings: findings.map((finding) => ({
    ...finding,
    input: writtenOf(finding.input),
    again: repeatCommand(finding),
  })),
});

const summary = (report: FuzzReport, grown: readonly string[]): readonly string[] => [
  ...Object.entries(report.thrown).map(([name, n]) => {
    const answers = Object.entries(report.answers[name] ?? {}).sort(([, a], [, b]) => b - a);
    const most = answers.slice(0, ANSWERS_SHOWN).map(([kind, times]) => `${kind.trim()} ${String(times)}`);
    return `${name.padEnd(10)} ${String(n).padStart(6)} inputs   ${most.join(', ')}`;
  }),
  ...Object.entries(report.heapMiB).map(
    ([name, [warm, end]]) => `${name}: heap ${warm.toFixed(0)} → ${end.toFixed(0)} MiB`,
  ),
  ...grown,
  `${String(report.findings.length)} found in ${report.seconds.toFixed(0)} s, seed ${report.seed}`,
];
const ANSWERS_SHOWN = 6;

/** The connections of the targets would hold the process up. */
const leave = (code: number): void => process.exit(code);

main().then(leave, (error: unknown) => {
  if (error instanceof CommanderError) {
    leave(error.exitCode === 0 ? EXIT.held : EXIT.usage);
    return;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  leave(EXIT.broken);
});
