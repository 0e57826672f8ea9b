/** `stationgrid calls …` and `stationgrid lanes …`. */
import {
  Call,
  CallState,
  Lane,
  ListCallsRequest,
  ListLanesRequest,
  RetryCallRequest,
  ShopfloorService,
  SkipCallRequest,
} from '../gen/stationgrid/v1/shopfloor.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Cell, localTime, NONE, printFacts, printJson, printTable, sayMore } from './print.ts';
import type { CallStateWord } from './state-words.ts';
import type { Terminal } from './terminal.ts';

const stateOfWord: Readonly<Record<CallStateWord, CallState>> = {
  OWED: CallState.OWED,
  DELIVERED: CallState.DELIVERED,
  GATE_REFUSED: CallState.GATE_REFUSED,
  DEAD: CallState.DEAD,
  SKIPPED: CallState.CALL_SKIPPED,
};

const stateName = (state: CallState): string =>
  Object.entries(stateOfWord).find(([, known]) => known === state)?.[0] ?? NONE;

export type ListCallsOptions = FarmOptions & {
  readonly limit: number;
  readonly state?: readonly CallStateWord[];
  readonly serial?: string;
  readonly job?: bigint;
};

/** `NotifyStart FAT`, `UpdateTestResult FAT generic_main:FAT.Camera PASSED`. */
export const callText = ({ method, station, testId, status, event }: Call): string =>
  [method, station, testId, status, event].filter((part) => part !== '').join(' ');

const callHead = ['ID', 'DEVICE', 'POSITION', 'CALL', 'JOB', 'STATE', 'SENDS', 'OWED', 'LAST ERROR'];

const callRow = (call: Call): readonly Cell[] => [
  call.id,
  call.deviceId,
  call.position,
  callText(call),
  call.jobId === 0n ? '' : call.jobId,
  stateName(call.state),
  call.sends,
  localTime(call.createTime),
  call.lastError,
];

export const listCalls = (terminal: Terminal, options: ListCallsOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, limit, state = [], serial = '', job: jobId = 0n } = options;
    const states = state.map((word) => stateOfWord[word]);
    const { entries, hasMore } = await readPages(
      limit,
      (page) =>
        farm.ask(ShopfloorService.listCalls, ListCallsRequest.create({ instance, states, serial, jobId, ...page })),
      (reply) => reply.calls,
    );
    if (options.output === 'json')
      printJson(
        terminal,
        entries.map((call) => Call.toJSON(call)),
      );
    else printTable(terminal, callHead, entries.map(callRow));
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });

const showCall = (terminal: Terminal, call: Call, { output }: FarmOptions): void => {
  if (output === 'json') {
    printJson(terminal, Call.toJSON(call));
    return;
  }
  printFacts(terminal, [
    ['Call', call.id],
    ['Says', callText(call)],
    ['Device', `${String(call.deviceId)}, position ${String(call.position)}`],
    ['Job', call.jobId === 0n ? '' : `${String(call.jobId)}, attempt ${String(call.attempt)}`],
    ['State', stateName(call.state)],
    ['Sends', `${String(call.sends)}, ${String(call.faults)} answered with a fault`],
    ['Perhaps seen twice', call.possiblyDuplicated ? 'yes' : 'no'],
    ['Last error', call.lastError],
    ['Owed', localTime(call.createTime)],
    ['Settled', localTime(call.settleTime)],
    ['Next send', localTime(call.nextAttemptTime)],
    ['Skipped because', call.skipReason],
  ]);
};

export const retryCall = (terminal: Terminal, id: string, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const request = RetryCallRequest.create({ instance: options.instance, id });
    showCall(terminal, await farm.ask(ShopfloorService.retryCall, request), options);
    return EXIT.ok;
  });

export type SkipCallOptions = FarmOptions & { readonly reason: string };

export const skipCall = (terminal: Terminal, id: string, options: SkipCallOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const request = SkipCallRequest.create({ instance: options.instance, id, reason: options.reason });
    showCall(terminal, await farm.ask(ShopfloorService.skipCall, request), options);
    return EXIT.ok;
  });

export type ListLanesOptions = FarmOptions & { readonly limit: number; readonly blocked?: true };

const laneHead = ['DEVICE', 'SERIAL', 'OWED', 'BLOCKED', 'HEAD', 'HEAD CALL', 'LAST ERROR'];

const laneRow = ({ deviceId, serial, owed, blocked, head }: Lane): readonly Cell[] => [
  deviceId,
  serial,
  owed,
  blocked ? 'yes' : 'no',
  head?.id ?? '',
  head === undefined ? '' : callText(head),
  head?.lastError ?? '',
];

export const listLanes = (terminal: Terminal, options: ListLanesOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, limit, blocked: blockedOnly = false } = options;
    const { entries, hasMore } = await readPages(
      limit,
      (page) => farm.ask(ShopfloorService.listLanes, ListLanesRequest.create({ instance, blockedOnly, ...page })),
      (reply) => reply.lanes,
    );
    if (options.output === 'json')
      printJson(
        terminal,
        entries.map((lane) => Lane.toJSON(lane)),
      );
    else printTable(terminal, laneHead, entries.map(laneRow));
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });
