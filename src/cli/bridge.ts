/** `stationgrid bridge …`: after a restore of the database. */
import {
  ListReconciliationRequest,
  Reconciliation,
  Restore,
  ResumeBridgeRequest,
  ShopfloorService,
} from '../gen/stationgrid/v1/shopfloor.ts';
import { callText } from './calls.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Cell, localTime, printFacts, printJson, printTable, sayMore } from './print.ts';
import type { Terminal } from './terminal.ts';

const head = ['DEVICE', 'SERIALS', 'CAUSE', 'OWED', 'LAST TOLD', 'AT', 'NEXT OWED', 'SENDS', 'KEY'];

const row = ({ deviceId, serials, cause, owed, lastTold, nextOwed }: Reconciliation): readonly Cell[] => [
  deviceId,
  Object.values(serials).join(' '),
  cause,
  owed,
  lastTold === undefined ? '' : callText(lastTold),
  localTime(lastTold?.settleTime),
  nextOwed === undefined ? '' : callText(nextOwed),
  nextOwed?.sends ?? '',
  nextOwed?.id ?? '',
];

export const listReconciliation = (
  terminal: Terminal,
  options: FarmOptions & { readonly limit: number },
): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, limit } = options;
    let restore: Restore | undefined;
    const { entries, hasMore } = await readPages(
      limit,
      (page) => farm.ask(ShopfloorService.listReconciliation, ListReconciliationRequest.create({ instance, ...page })),
      (reply) => {
        restore ??= reply.restore;
        return reply.entries;
      },
    );
    if (options.output === 'json') {
      printJson(terminal, {
        restore: restore === undefined ? null : Restore.toJSON(restore),
        entries: entries.map((entry) => Reconciliation.toJSON(entry)),
      });
    } else if (restore === undefined) terminal.print('The bridge is not paused; there is nothing to reconcile.');
    else {
      printFacts(terminal, factsOf(restore));
      printTable(terminal, head, entries.map(row));
    }
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });

export const resumeBridge = (
  terminal: Terminal,
  options: FarmOptions & { readonly reason: string },
): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason } = options;
    const restore = await farm.ask(ShopfloorService.resumeBridge, ResumeBridgeRequest.create({ instance, reason }));
    if (options.output === 'json') printJson(terminal, Restore.toJSON(restore));
    else terminal.print(`The bridge goes on: what is owed is sent, restore ${String(restore.number)} is settled.`);
    return EXIT.ok;
  });

const factsOf = (restore: Restore): Parameters<typeof printFacts>[1] => [
  ['Paused by', `restore ${String(restore.number)}, ${restore.cause}`],
  ['Noticed', localTime(restore.noticeTime)],
  ['Newest fact left', localTime(restore.lastFactTime)],
  ['Job numbers', `${String(restore.jobIdsSkipped)} are skipped from ${String(restore.jobIdsSkippedFrom)}`],
];
