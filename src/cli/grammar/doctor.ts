/** `stationgrid doctor`. */
import { type Command, Option } from 'commander';
import { address, duration } from '../operands.ts';
import { type Enact, outputOption, showsCaller, TLS_OPTION } from './enact.ts';
import { served } from './processes.ts';

const BOUND_DEFAULT_MS = 5_000;

const help = `
It takes the configuration as serve does, and changes nothing. All checks run at once, each within --timeout. It starts no
database and no farm: run it where the farm runs or shall run, before the first start or beside a farm that serves.

Without --server it asks the gRPC door of the configuration, on this machine. With it, it goes the way that bots go.

Exit code 0: nothing failed. 1: something failed, or with --strict was to be looked at. 2: the command line.
`;

export const doctorGrammar = (parent: Command, enact: Enact): void => {
  const doctor = served(
    parent
      .command('doctor')
      .description(
        'Check an installation from here: configuration, DNS, TLS, HTTP/2, clock, database, ports, disk, shopfloors.',
      ),
  );
  showsCaller(
    doctor
      .addOption(
        new Option(
          '--server <host:port>',
          "the farm's gRPC door as bots reach it, through proxies and balancers",
        ).argParser(address),
      )
      .option(...TLS_OPTION),
  )
    .addOption(new Option('--timeout <duration>', 'for each check').argParser(duration).default(BOUND_DEFAULT_MS, '5s'))
    .option('--strict', 'what is only to be looked at counts as failed')
    .option('--json', 'the same as --output json')
    .addOption(outputOption())
    .addHelpText('after', help)
    .action(enact(async () => (await import('../doctor.ts')).examine));
};
