/** The whole command line, as commander knows it. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT, exitMeanings } from './exit-codes.ts';
import { auditGrammar } from './grammar/audit.ts';
import { doctorGrammar } from './grammar/doctor.ts';
import type { Enact } from './grammar/enact.ts';
import { eventsGrammar } from './grammar/events.ts';
import { botsGrammar, devicesGrammar, unitGrammar } from './grammar/fleet.ts';
import { botTokenGrammar, jwtGrammar, whoAmIGrammar } from './grammar/identity.ts';
import { jobGrammar } from './grammar/job.ts';
import { lineGrammar } from './grammar/line.ts';
import { loadGrammar } from './grammar/load.ts';
import { parametersGrammar } from './grammar/parameters.ts';
import { botGrammar, configGrammar, dbGrammar, demoGrammar, serveGrammar } from './grammar/processes.ts';
import { shopfloorGrammar } from './grammar/shopfloor.ts';
import { bridgeGrammar, callsGrammar, lanesGrammar, resultsGrammar } from './grammar/shopfloor-calls.ts';

/** Of help texts, whatever the terminal: docs and screens show the same. */
const HELP_WIDTH = 120;

export const createProgram = (enact: Enact): Command => {
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
  serveGrammar(program, enact);
  doctorGrammar(program, enact);
  demoGrammar(program, enact);
  loadGrammar(program, enact);
  botTokenGrammar(botGrammar(program, enact), enact);
  shopfloorGrammar(program, enact);
  lineGrammar(program, enact);
  jobGrammar(program, enact);
  resultsGrammar(program, enact);
  botsGrammar(program, enact);
  devicesGrammar(program, enact);
  unitGrammar(program, enact);
  callsGrammar(program, enact);
  lanesGrammar(program, enact);
  bridgeGrammar(program, enact);
  dbGrammar(program, enact);
  auditGrammar(program, enact);
  eventsGrammar(program, enact);
  parametersGrammar(program, enact);
  jwtGrammar(program, enact);
  whoAmIGrammar(program, enact);
  configGrammar(program, enact);
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
  return program;
};

const version = (): string => {
  const told: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof told === 'object' && told !== null && 'version' in told ? String(told.version) : 'unknown';
};

const exitCodesHelp = (): string =>
  ['', 'Exit codes:', ...exitMeanings.map(([code, meaning]) => `  ${String(code).padEnd(4)}${meaning}`)].join('\n');
