/** `stationgrid events …`: what DUTs told by Testlog. Asks the database itself. */
import { newestQuarantinedEvents } from '../farm/list-quarantined-events.ts';
import { toRedacted } from '../wire/redact.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { localTime, printJson, printTable } from './print.ts';
import type { Terminal } from './terminal.ts';
import { type DatabaseOptions, withDatabase } from './with-database.ts';

export type QuarantinedOptions = DatabaseOptions & { readonly limit: number };

const LIST_MAX = 1_000_000;

export const listQuarantined = (terminal: Terminal, options: QuarantinedOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db) => {
    const limit = options.limit === 0 ? LIST_MAX : options.limit;
    const events = toRedacted(await newestQuarantinedEvents(db, limit));
    if (options.output === 'json') {
      printJson(terminal, events);
      return EXIT.ok;
    }
    printTable(
      terminal,
      ['LAST SEEN', 'TIMES', 'INSTANCE', 'FROM', 'BYTES', 'WHY', 'WHERE'],
      events.map((event) => [
        localTime(event.lastAt),
        String(event.times),
        event.instance,
        event.nodeId ?? event.peer,
        String(event.bytes),
        event.reason,
        event.path ?? 'in the database: --output json shows its beginning',
      ]),
    );
    return EXIT.ok;
  });
