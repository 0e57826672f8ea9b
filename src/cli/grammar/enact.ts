/** What every branch of the grammar shares: how an act is found, and the options of those that talk to a farm. */
import { type Command, Option } from 'commander';
import { address, httpUrl, wholeNumber } from '../operands.ts';
import type { Terminal } from '../terminal.ts';

/**
 * Makes commander's action of an act that is loaded only when it is wanted, so that `--help` and the start of every
 * other command do not pay for it. An act resolves with the exit code.
 */
export type Enact = <A extends readonly unknown[]>(
  load: () => Promise<(terminal: Terminal, ...operands: A) => Promise<number>>,
) => (...operands: A) => Promise<void>;

export const DEFAULT_SERVER = '127.0.0.1:50051';

type ServerOption = {
  readonly flags: string;
  readonly meaning: string;
  readonly parse: (word: string) => string;
};

const oneServer: ServerOption = { flags: '--server <host:port>', meaning: "the farm's gRPC door", parse: address };

/** A command that asks a farm: where it is, which part of it, and how the answer is shown. */
export const asksFarm = (command: Command, { flags, meaning, parse }: ServerOption = oneServer): Command =>
  showsCaller(
    command
      .addOption(new Option(flags, meaning).env('STATIONGRID_SERVER').default(DEFAULT_SERVER).argParser(parse))
      .addOption(instanceOption())
      .option(...TLS_OPTION),
  ).addOption(outputOption());

/** For a door whose address does not say it. */
export const TLS_OPTION = ['--tls', "speak TLS, and trust the system's authorities"] as const;

export const DEFAULT_URL = 'http://127.0.0.1:8081';

/** One that asks its HTTP door instead. */
export const asksHttpFarm = (command: Command): Command =>
  showsCaller(
    command
      .addOption(
        new Option('--url <url>', "the farm's HTTP door")
          .env('STATIONGRID_URL')
          .default(DEFAULT_URL)
          .argParser(httpUrl),
      )
      .addOption(instanceOption()),
  ).addOption(outputOption());

const instanceOption = (): Option =>
  new Option('--instance <name>', 'the part of the farm, such as a line').env('STATIONGRID_INSTANCE').default('', '""');

/** What of the caller a command shows, and whom it trusts. */
export const showsCaller = (command: Command): Command =>
  command
    .addOption(
      new Option('--ca <file>', "speak TLS, and trust these authorities (PEM) for the farm's certificate").env(
        'STATIONGRID_CA',
      ),
    )
    .option('--cert <file>', 'a client certificate (PEM); with --key')
    .option('--key <file>', 'its key (PEM), readable by nobody else')
    .addOption(
      new Option(
        '--token-file <file>',
        'who you are: a JWT of the issuer that the farm trusts, in a file readable by nobody else (or the JWT in STATIONGRID_TOKEN)',
      ).env('STATIONGRID_TOKEN_FILE'),
    );

export const outputOption = (): Option =>
  new Option('-o, --output <form>', 'a table for people, JSON for programs')
    .choices(['table', 'json'])
    .default('table');

const LIMIT_DEFAULT = 50;

/** How much of a list is shown. */
export const limited = (command: Command, byDefault = LIMIT_DEFAULT): Command =>
  command.option(
    '--limit <n>',
    'at most so many entries; 0 for all',
    wholeNumber({ min: 0, max: 1_000_000 }),
    byDefault,
  );
