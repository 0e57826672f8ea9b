/** The command `stationgrid-bot`: the only place that meets the process, its signals and its exit code. */
import { hostname } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { addressesIn, NO_ADDRESS } from './addresses.ts';
import { type CredentialFiles, readCredentials } from './credential-files.ts';
import { createBot, type BotOptions, type ExitReason } from './create-bot.ts';
import type { DeviceDeclaration } from './describe-worker.ts';
import type { Log } from './log.ts';
import { simulate } from './simulated-station.ts';

const VERSION = '0.1.0';

/** sysexits.h where it has a word for it. */
const exitCodes: Readonly<Record<ExitReason | 'usage', number>> = {
  drained: 0,
  usage: 64,
  aborted: 70,
  undelivered: 75,
  refused: 78,
};

const exitHelp = `
Signals
  SIGTERM, SIGINT   take no more work, finish what runs, deliver it, say goodbye
  … a second time   stop what runs, and leave within 10 s
  SIGHUP            the same at once: the terminal is gone

Exit codes
  ${exitCodes.drained}   drained, everything delivered
  ${exitCodes.usage}  wrong flags
  ${exitCodes.aborted}  a bug of the bot
  ${exitCodes.undelivered}  left in a hurry, with work the farm has not heard the end of
  ${exitCodes.refused}  the farm does not take this bot: its words are in the log`;

type Flags = {
  readonly server: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tokenFile?: string;
  readonly instance: string;
  readonly botId: string;
  readonly property?: Record<string, string[]>;
  readonly serial?: Record<string, string>;
  readonly device?: DeviceDeclaration[];
  readonly capacity?: number;
  readonly stations?: string[];
  readonly simulate?: string;
  readonly drainLimit?: number;
  readonly logFormat: 'text' | 'json';
};

/** Parses the words after the command's name, works until it is told to stop, and gives the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  // `stationgrid-bot --help | head` is no error: the reader has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const program = createProgram().parse([...words], { from: 'user' });
    return await runBot(program.opts<Flags>());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.aborted;
  }
}

function createProgram(): Command {
  return new Command('stationgrid-bot')
    .description('Joins a StationGrid farm as a DUT bot and runs the stations it is given.')
    .version(VERSION)
    .option(
      '--server <host:port,…>',
      "the farm's gRPC doors: with several, the next when one is of no use",
      toServer,
      '127.0.0.1:50051',
    )
    .option('--tls', "speak TLS, and trust the system's authorities")
    .addOption(
      new Option('--ca <file>', "speak TLS, and trust these authorities (PEM) for the farm's certificate").env(
        'STATIONGRID_CA',
      ),
    )
    .option('--cert <file>', "this bot's certificate (PEM); with --key")
    .option('--key <file>', 'its key (PEM), readable by nobody else')
    .addOption(
      new Option('--token-file <file>', "this bot's token, readable by nobody else; read again when it changes").env(
        'STATIONGRID_BOT_TOKEN_FILE',
      ),
    )
    .option('--instance <name>', 'the part of the farm to join', '')
    .option('--bot-id <id>', 'who this bot is, the same after every restart', hostname())
    .option('--property <key=value>', 'a property of the primary device; repeatable', toProperties)
    .option('--serial <name=value>', "a serial of the primary device's DUT; repeatable", toSerials)
    .option('--device <handle:name=value,…>', 'one more DUT, by its serials; repeatable', toDevices)
    .option('--capacity <n>', 'leases at once (default: 1)', toCount)
    .option('--stations <names>', 'take these stations only, separated by commas', toNames)
    .option('--simulate <seed>', 'offer the handler "simulate", which only pretends, from this seed')
    .option('--drain-limit <seconds>', 'stop running work so long after SIGTERM (default: wait)', toCount)
    .addOption(
      new Option('--log-format <format>', 'of the log on standard error').choices(['text', 'json']).default('text'),
    )
    .addHelpText('after', exitHelp)
    .exitOverride();
}

async function runBot(flags: Flags): Promise<number> {
  const log = createLog(flags.logFormat);
  const bot = createBot({ ...toOptions(flags), log });
  const drain = (): void => bot.drain();
  // The terminal is gone, and nobody is left to say it twice. Unheard, it would end this process and leave the test that
  // runs, which has a group of its own, on the DUT.
  const leave = (): void => {
    bot.drain();
    bot.drain();
  };
  process.on('SIGTERM', drain).on('SIGINT', drain).on('SIGHUP', leave);
  try {
    const reason = await bot.run(new AbortController().signal);
    log('info', 'stopped', { reason });
    return exitCodes[reason];
  } finally {
    process.off('SIGTERM', drain).off('SIGINT', drain).off('SIGHUP', leave);
  }
}

const filesOf = ({ ca, cert, key, tokenFile, tls = false }: Flags): CredentialFiles => ({
  ca: ca ?? null,
  cert: cert ?? null,
  key: key ?? null,
  token: tokenFile ?? null,
  tls,
});

const toOptions = (flags: Flags): BotOptions => ({
  server: flags.server,
  shows: readCredentials(filesOf(flags)),
  instance: flags.instance,
  botId: flags.botId,
  properties: flags.property ?? {},
  serials: flags.serial ?? {},
  devices: flags.device ?? [],
  capacity: flags.capacity ?? null,
  stations: flags.stations ?? null,
  handlers: flags.simulate === undefined ? {} : { simulate: simulate(flags.simulate) },
  version: VERSION,
  limits: flags.drainLimit === undefined ? {} : { drainMs: flags.drainLimit * 1000 },
});

const createLog =
  (format: Flags['logFormat']): Log =>
  (level, message, fields = {}) => {
    const time = new Date().toISOString();
    const words = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
    const line = format === 'json' ? JSON.stringify({ time, level, message, ...fields }) : undefined;
    process.stderr.write(`${line ?? `${time} ${level.padEnd(5)} ${message}${words.join('')}`}\n`);
  };

function toServer(text: string): string {
  if (addressesIn(text).length === 0) throw new InvalidArgumentError(`${NO_ADDRESS}.`);
  return text;
}

function toPair(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`"${text}" is not name=value.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function toProperties(text: string, before: Flags['property'] = {}): Flags['property'] {
  const [key, value] = toPair(text);
  return { ...before, [key]: [...(before[key] ?? []), value] };
}

function toSerials(text: string, before: Flags['serial'] = {}): Flags['serial'] {
  return { ...before, ...Object.fromEntries([toPair(text)]) };
}

function toDevices(text: string, before: Flags['device'] = []): Flags['device'] {
  const at = text.indexOf(':');
  if (at < 1) throw new InvalidArgumentError(`"${text}" is not handle:name=value,…`);
  const serials = Object.fromEntries(
    text
      .slice(at + 1)
      .split(',')
      .map(toPair),
  );
  return [...before, { handle: text.slice(0, at), serials }];
}

function toCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a whole number.`);
  return Number(text);
}

const toNames = (text: string): string[] => text.split(',').map((name) => name.trim());
