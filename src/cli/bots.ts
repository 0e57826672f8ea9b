/** `stationgrid bots …`. */
import {
  Bot,
  BotEvent,
  Drain,
  DrainBotsRequest,
  FleetService,
  GetBotRequest,
  ListBotsRequest,
  QuarantineBotRequest,
  ReleaseBotRequest,
  UndrainBotsRequest,
} from '../gen/stationgrid/v1/fleet.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Cell, localTime, printFacts, printJson, printTable, sayMore } from './print.ts';
import type { Terminal } from './terminal.ts';
import { toDuration } from './to-duration.ts';

export type ListBotsOptions = FarmOptions & {
  readonly limit: number;
  readonly pattern?: string;
  readonly connected?: true;
};

const botHead = ['BOT', 'STATUS', 'LEASES', 'SERIALS', 'VERSION', 'LAST SEEN', 'NO WORK BECAUSE'];

const leasesCell = ({ leases, capacity }: Bot): string => `${String(leases.length)}/${String(capacity)}`;

const botRow = (bot: Bot): readonly Cell[] => [
  bot.botId,
  bot.status,
  leasesCell(bot),
  bot.serials.join(' '),
  bot.version,
  localTime(bot.lastSeenTime),
  bot.whyNoWork,
];

export const listBots = (terminal: Terminal, options: ListBotsOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, limit, pattern = '', connected: connectedOnly = false } = options;
    const { entries, hasMore } = await readPages(
      limit,
      (page) => farm.ask(FleetService.listBots, ListBotsRequest.create({ instance, pattern, connectedOnly, ...page })),
      (reply) => reply.bots,
    );
    if (options.output === 'json')
      printJson(
        terminal,
        entries.map((bot) => Bot.toJSON(bot)),
      );
    else printTable(terminal, botHead, entries.map(botRow));
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });

export const getBot = (terminal: Terminal, botId: string, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    showBot(
      terminal,
      await farm.ask(FleetService.getBot, GetBotRequest.create({ instance: options.instance, botId })),
      options,
    );
    return EXIT.ok;
  });

const showBot = (terminal: Terminal, bot: Bot, { output }: FarmOptions): void => {
  if (output === 'json') {
    printJson(terminal, Bot.toJSON(bot));
    return;
  }
  printFacts(terminal, botFacts(bot));
  if (bot.leases.length === 0) return;
  terminal.print('');
  printTable(
    terminal,
    ['LEASE', 'JOB', 'STATION', 'STATE'],
    bot.leases.map(({ leaseId, jobId, station, state }) => [leaseId, jobId, station, state]),
  );
};

const botFacts = (bot: Bot): readonly (readonly [string, Cell])[] => [
  ['Bot', bot.botId],
  ['Instance', bot.instance],
  ['Status', bot.connected ? `${bot.status}, connected` : bot.status],
  ['Version', bot.version],
  ['Leases', leasesCell(bot)],
  ['Serials', bot.serials.join(' ')],
  ['Properties', bot.properties.map(({ key, values }) => `${key}=${values.join(',')}`).join(' ')],
  ['Session', bot.session],
  ['Session since', localTime(bot.sessionStartTime)],
  ['Last seen', localTime(bot.lastSeenTime)],
  ['Error events in a row', bot.errorEvents],
  ...(bot.drain === undefined ? [] : drainFacts(bot.drain)),
  ...(bot.quarantineReason === '' ? [] : ([['Quarantined', bot.quarantineReason]] as const)),
  ...(bot.whyNoWork === '' ? [] : ([['No work because', bot.whyNoWork]] as const)),
];

const drainFacts = (drain: Drain): readonly (readonly [string, Cell])[] => [
  ['Drained', `${drain.pattern}: ${drain.note}`],
  ['Drained since', localTime(drain.createTime)],
  ['Drained until', drain.expireTime === undefined ? 'undrained' : localTime(drain.expireTime)],
];

export const botEvents = (terminal: Terminal, botId: string, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { events } = await farm.ask(FleetService.getBot, GetBotRequest.create({ instance: options.instance, botId }));
    if (options.output === 'json')
      printJson(
        terminal,
        events.map((event) => BotEvent.toJSON(event)),
      );
    else
      printTable(
        terminal,
        ['TIME', 'TYPE', 'MESSAGE'],
        events.map(({ time, type, message }) => [localTime(time), type, message]),
      );
    return EXIT.ok;
  });

/** `for`: milliseconds. */
export type DrainOptions = FarmOptions & { readonly note: string; readonly for?: number };

export const drainBots = (terminal: Terminal, pattern: string, options: DrainOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, note, output, for: ms } = options;
    const expiresIn = ms === undefined ? {} : { expiresIn: toDuration(ms) };
    const request = DrainBotsRequest.create({ instance, pattern, note, ...expiresIn });
    const drain = await farm.ask(FleetService.drainBots, request);
    if (output === 'json') printJson(terminal, Drain.toJSON(drain));
    else printFacts(terminal, drainFacts(drain));
    return EXIT.ok;
  });

export const undrainBots = (terminal: Terminal, pattern: string, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, output } = options;
    await farm.ask(FleetService.undrainBots, UndrainBotsRequest.create({ instance, pattern }));
    if (output === 'json') printJson(terminal, {});
    else terminal.print(`The drain of ${pattern} has ended.`);
    return EXIT.ok;
  });

export type ReasonedOptions = FarmOptions & { readonly reason: string };

export const quarantineBot = (terminal: Terminal, botId: string, options: ReasonedOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason } = options;
    const request = QuarantineBotRequest.create({ instance, botId, reason });
    showBot(terminal, await farm.ask(FleetService.quarantineBot, request), options);
    return EXIT.ok;
  });

export const releaseBot = (terminal: Terminal, botId: string, options: ReasonedOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason } = options;
    const request = ReleaseBotRequest.create({ instance, botId, reason });
    showBot(terminal, await farm.ask(FleetService.releaseBot, request), options);
    return EXIT.ok;
  });
