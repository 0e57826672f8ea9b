/** The whole command line, as commander knows it. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT, exitMeanings } from './exit-codes.ts';
import type { Enact } from './grammar/enact.ts';

/** Of help texts, whatever the terminal: docs and screens show the same. */
const HELP_WIDTH = 120;

/** Puts one command, or a group of them, under the program. */
type Branch = (program: Command, enact: Enact) => void;

/** By the first word, in the order of the help. Each is loaded only when it is wanted, as what it does is. */
const branches: ReadonlyMap<string, () => Promise<Branch>> = new Map([
  ['serve', async () => (await import('./grammar/processes.ts')).serveGrammar],
  ['doctor', async () => (await import('./grammar/doctor.ts')).doctorGrammar],
  ['demo', async () => (await import('./grammar/processes.ts')).demoGrammar],
  ['load', async () => (await import('./grammar/load.ts')).loadGrammar],
  ['bot', async () => (await import('./grammar/processes.ts')).botGrammar],
  ['shopfloor', async () => (await import('./grammar/shopfloor.ts')).shopfloorGrammar],
  ['line', async () => (await import('./grammar/line.ts')).lineGrammar],
  ['job', async () => (await import('./grammar/job.ts')).jobGrammar],
  ['results', async () => (await import('./grammar/shopfloor-calls.ts')).resultsGrammar],
  ['bots', async () => (await import('./grammar/fleet.ts')).botsGrammar],
  ['devices', async () => (await import('./grammar/fleet.ts')).devicesGrammar],
  ['unit', async () => (await import('./grammar/fleet.ts')).unitGrammar],
  ['calls', async () => (await import('./grammar/shopfloor-calls.ts')).callsGrammar],
  ['lanes', async () => (await import('./grammar/shopfloor-calls.ts')).lanesGrammar],
  ['bridge', async () => (await import('./grammar/shopfloor-calls.ts')).bridgeGrammar],
  ['db', async () => (await import('./grammar/processes.ts')).dbGrammar],
  ['audit', async () => (await import('./grammar/audit.ts')).auditGrammar],
  ['events', async () => (await import('./grammar/events.ts')).eventsGrammar],
  ['parameters', async () => (await import('./grammar/parameters.ts')).parametersGrammar],
  ['jwt', async () => (await import('./grammar/identity.ts')).jwtGrammar],
  ['whoami', async () => (await import('./grammar/identity.ts')).whoAmIGrammar],
  ['config', async () => (await import('./grammar/processes.ts')).configGrammar],
]);

/** @param words The command line: where its first one is a branch, the others are left out. To make them all takes as long as many a command. */
export const createProgram = async (enact: Enact, words: readonly string[] = []): Promise<Command> => {
  const program = new Command('stationgrid')
    .description('A bot farm for factory lines: DUT bots lease station work, and the shopfloor hears of it in order.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError('Add --help to see what it takes.')
    .configureHelp({ helpWidth: HELP_WIDTH })
    .addHelpText('after', exitCodesHelp());
  const only = branches.get(words[0] ?? '');
  for (const load of only === undefined ? branches.values() : [only]) (await load())(program, enact);
  if (only === undefined) referenceGrammar(program, enact);
  return program;
};

const referenceGrammar: Branch = (program, enact) => {
  program
    .command('reference')
    .description('Print docs/reference/cli.md: every command with its options.')
    .action(
      enact(async () => {
        const { cliReference } = await import('./reference.ts');
        return (terminal) => {
          terminal.print(cliReference(program).trimEnd());
          return Promise.resolve(EXIT.ok);
        };
      }),
    );
};

const version = (): string => {
  const told: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof told === 'object' && told !== null && 'version' in told ? String(told.version) : 'unknown';
};

const exitCodesHelp = (): string =>
  ['', 'Exit codes:', ...exitMeanings.map(([code, meaning]) => `  ${String(code).padEnd(4)}${meaning}`)].join('\n');
