/** `stationgrid unit …`: what became of one unit, and what may become of it next. */
import type { Device } from '../gen/stationgrid/v1/fleet.ts';
import {
  CheckStationRequest,
  CheckStationResponse,
  GetUnitRequest,
  GetUnitResponse,
  UnitsService,
} from '../gen/stationgrid/v1/units.ts';
import { type FarmDoor, type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { localTime, printFacts, printJson, printTable, sayMore, serialsCell } from './print.ts';
import { showTimeline } from './show-unit.ts';
import type { Terminal } from './terminal.ts';

export type UnitOptions = FarmOptions & {
  readonly name: string;
  readonly limit: number;
  /** A route check instead of the history. */
  readonly station?: string;
};

export const showUnit = (terminal: Terminal, value: string, options: UnitOptions): Promise<ExitCode> =>
  withFarm(options, (farm) =>
    options.station === undefined
      ? showHistory(terminal, farm, value, options)
      : check(terminal, farm, { value, station: options.station }, options),
  );

const showHistory = async (
  terminal: Terminal,
  farm: FarmDoor,
  value: string,
  { instance, name, limit, output }: UnitOptions,
): Promise<ExitCode> => {
  const replies: GetUnitResponse[] = [];
  const { entries, hasMore } = await readPages(
    limit,
    async (page) => {
      const reply = await farm.ask(UnitsService.getUnit, GetUnitRequest.create({ instance, name, value, ...page }));
      replies.push(reply);
      return reply;
    },
    (reply) => reply.entries,
  );
  const { device, olderLeftOut = false } = replies.at(-1) ?? {};
  if (output === 'json') {
    printJson(terminal, GetUnitResponse.toJSON({ device, entries, nextPageToken: '', olderLeftOut }));
  } else {
    if (device !== undefined) printUnit(terminal, device);
    showTimeline(terminal, entries);
  }
  if (olderLeftOut) terminal.say('The oldest of this unit is left out: see limits.units of the farm.');
  sayMore(terminal, hasMore);
  return EXIT.ok;
};

const printUnit = (terminal: Terminal, device: Device): void => {
  const { settlingReason, settlingUntil } = device;
  const sometimes: readonly (readonly [string, string])[] = [
    ['Held', device.heldReason],
    ['Settling', settlingReason === '' ? '' : `${settlingReason}, until ${localTime(settlingUntil)}`],
  ];
  printFacts(terminal, [
    ['Unit', device.id],
    ['Instance', device.instance],
    ['Serials', serialsCell(device.serials)],
    ...sometimes.filter(([, words]) => words !== ''),
  ]);
};

const check = async (
  terminal: Terminal,
  farm: FarmDoor,
  asked: { readonly value: string; readonly station: string },
  { instance, name, output }: UnitOptions,
): Promise<ExitCode> => {
  const said = await farm.ask(UnitsService.checkStation, CheckStationRequest.create({ instance, name, ...asked }));
  if (output === 'json') printJson(terminal, CheckStationResponse.toJSON(said));
  else printCheck(terminal, said, asked.station);
  return said.mayRun ? EXIT.ok : EXIT.workFailed;
};

const printCheck = (terminal: Terminal, said: CheckStationResponse, station: string): void => {
  printFacts(terminal, [
    ['Unit', said.deviceId],
    ['Station', station],
    ['Job', said.jobId === 0n ? '' : said.jobId],
    ['May run', said.mayRun ? 'yes' : 'no'],
    ['Why', said.code],
    ['That is', said.words],
  ]);
  if (said.candidates.length === 0) return;
  terminal.print('');
  printTable(
    terminal,
    ['BOT', 'WHY NOT'],
    said.candidates.map(({ botId, whyNot }) => [botId, whyNot]),
  );
};
