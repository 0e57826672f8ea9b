/** Commands that run something here: the farm, a bot, the demo. */
import { type Command, Option } from 'commander';
import { OVERRIDE_FLAG } from '../../config/exposure.ts';
import { listed, wholeNumber } from '../operands.ts';
import { type Enact, outputOption } from './enact.ts';
import { botTokenGrammar } from './identity.ts';

/** The flags of the configuration (src/config/schema.ts; a test holds the two together), and the file. */
export const configured = (command: Command): Command =>
  command
    .addOption(new Option('--config <file>', 'the configuration file').env('STATIONGRID_CONFIG'))
    .option('--data <dir>', 'the folder of the embedded PostgreSQL (default: .stationgrid)')
    .option(
      '--database <url>',
      'a PostgreSQL server to use instead, as postgresql://user@host:5432/name; a password goes by STATIONGRID_DATABASE_URL',
    )
    .option('--set <path=value>', 'any other key, such as limits.session.ttl=2min; repeatable', listed);

/** What a farm is served with. */
export const served = (command: Command): Command =>
  configured(command)
    .option('--grpc <host:port>', 'where bots and clients reach it (default: 127.0.0.1:50051)')
    .option('--http <host:port>', 'metrics, health and JSON over HTTP (default: 127.0.0.1:8081)')
    .option(
      '--ops <host:port>',
      'a door for probes and scrapes, without credentials; may be bound wide (default: none)',
    )
    .option('--factory <host:port>', 'the Factory Server for DUTs of Chrome OS factory software (default: none)')
    .option('--workers <n>', 'processes of this host that serve, each as a replica (default: 1)')
    .option(OVERRIDE_FLAG, 'bind doors wide without TLS or credentials; never in production')
    .option('--log-level <level>', 'debug, info, warn or error (default: info)')
    .option('--log-format <format>', 'json, pretty, or auto: pretty on a terminal (default: auto)');

const serveHelp = `
It serves when GET /readyz on the HTTP door answers 200. SIGTERM and SIGINT: it takes no more work, answers parked
polls, writes what is to be written and leaves; a second one leaves at once.

With --workers 2 or more, SIGUSR2 replaces the workers one after another, each by one that has read the configuration anew.
`;

export const serveGrammar = (parent: Command, enact: Enact): void => {
  served(parent.command('serve').description('Serve a farm, on its own PostgreSQL or on yours.'))
    .addHelpText('after', serveHelp)
    .action(enact(async () => (await import('../serve.ts')).serveFarm));
};

export const configGrammar = (parent: Command, enact: Enact): void => {
  const config = parent.command('config').description('See the configuration.');
  served(
    config.command('print').description('Check the configuration and print what is in force, secrets hidden.'),
  ).action(enact(async () => (await import('../config.ts')).printConfiguration));
  config
    .command('reference')
    .description('Print docs/reference/config.md: every key, its default and its meaning.')
    .action(enact(async () => (await import('../config.ts')).printReference));
};

export const demoGrammar = (parent: Command, enact: Enact): void => {
  parent
    .command('demo')
    .description('Run the main job in plain sight: a farm, a shopfloor, bots, a line of five stations; ends by itself.')
    .option('--bots <n>', 'DUT bots', wholeNumber({ min: 1, max: 50 }), 5)
    .option('--units <n>', 'units to take through the line', wholeNumber({ min: 1, max: 1000 }), 10)
    .option('--json', 'the summary as one JSON object on the last line of standard output')
    .action(
      enact(async () => {
        const { runDemo } = await import('../demo.ts');
        return (_terminal, options: { readonly bots: number; readonly units: number; readonly json?: true }) =>
          runDemo({ bots: options.bots, units: options.units, json: options.json === true });
      }),
    );
};

export const botGrammar = (parent: Command, enact: Enact): void => {
  const bot = parent
    .command('bot')
    .description('Join a farm as a DUT bot, and look after the tokens by which bots prove who they are.')
    .enablePositionalOptions()
    .helpOption(false)
    .helpCommand(false);
  bot
    .command('join', { isDefault: true })
    .description('Join a farm (the default; the same as stationgrid-bot). Its options and exit codes: bot --help.')
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(enact(async () => (await import('../bot.ts')).runBot));
  botTokenGrammar(bot, enact);
};

const restoredHelp = `
A farm notices by itself when a dump was restored, when a standby was promoted and after a recovery to a point in time. It
cannot see that files were copied back, or a snapshot of the disk. Say so before the farm starts.
`;

const retentionHelp = `
A farm does this by itself. How long history is kept is its configuration's to say: limits.history.keepDays.
`;

export const dbGrammar = (parent: Command, enact: Enact): void => {
  const db = parent.command('db').description("Look after the farm's database.");
  configured(
    db.command('migrate').description("Bring the database to this build's schema, as `serve` does at its start."),
  )
    .addOption(outputOption())
    .action(enact(async () => (await import('../db.ts')).migrateDatabase));
  configured(db.command('status').description("Show the migrations; exit code 1 unless the schema is this build's."))
    .addOption(outputOption())
    .action(enact(async () => (await import('../db.ts')).databaseStatus));
  configured(
    db.command('doctor').description('Check everything that must always hold; exit code 1 if something does not.'),
  )
    .addOption(outputOption())
    .action(enact(async () => (await import('../db.ts')).databaseDoctor));
  configured(
    db
      .command('retention')
      .description(
        'Show the days of history: what each holds, and what is dropped next; exit code 1 if --apply left some.',
      ),
  )
    .option('--apply', 'make the days ahead and drop those past their time now')
    .addHelpText('after', retentionHelp)
    .addOption(outputOption())
    .action(enact(async () => (await import('../db-retention.ts')).databaseRetention));
  configured(
    db
      .command('restored')
      .description('Say that the database has lost its newest commits: pauses the bridge, moves job numbers ahead.'),
  )
    .addHelpText('after', restoredHelp)
    .addOption(outputOption())
    .action(enact(async () => (await import('../db.ts')).databaseRestored));
};
