/** `stationgrid shopfloor …`. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkJournal, type JournalCheck } from '../reference-shopfloor/check-journal.ts';
import type { DefectName } from '../reference-shopfloor/defect-names.ts';
import { type FaultRuleInput, faultRulesSchema } from '../reference-shopfloor/fault-rules.ts';
import { type JournalLine, readJournal } from '../reference-shopfloor/journal.ts';
import { startReferenceShopfloor } from '../reference-shopfloor/reference-shopfloor.ts';
import { type RepliesInput, repliesSchema } from '../reference-shopfloor/replies.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { localTime, printFacts, printJson, printTable } from './print.ts';
import { processClock } from '../process-clock.ts';
import type { CheckShopfloorOptions } from './shopfloor-check.ts';
import { stopSignals } from './stop-signals.ts';
import type { Terminal } from './terminal.ts';

export type ServeShopfloorOptions = {
  readonly host: string;
  readonly port: number;
  readonly journal?: string;
  readonly replies?: string;
  readonly faults?: string;
  readonly seed: number;
  readonly forgetsKeys?: true;
  readonly jsonText?: true;
  readonly defect?: readonly DefectName[];
};

/** Prints its URL once it listens; resolves when it was told to stop and has. */
export const serveShopfloor = async (terminal: Terminal, options: ServeShopfloorOptions): Promise<ExitCode> => {
  const { host, port, seed, journal = null, forgetsKeys = false } = options;
  const replies = options.replies === undefined ? {} : toReplies(await readTree(options.replies), options.replies);
  const faults = options.faults === undefined ? [] : toFaults(await readTree(options.faults), options.faults);
  const stopping = stopSignals();
  const shopfloor = await startReferenceShopfloor({
    ...{ clock: processClock, host, port, seed, replies, faults },
    journalPath: journal,
    remembersKeys: !forgetsKeys,
    jsonText: options.jsonText === true,
    defects: options.defect ?? [],
  });
  terminal.print(shopfloor.url);
  if (!stopping.aborted) await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }));
  await shopfloor.stop();
  return EXIT.ok;
};

const readTree = async (path: string): Promise<unknown> => parse(await readFile(path, 'utf8'));

/** What the file says, once the schema has agreed to it. */
function toReplies(tree: unknown, path: string): RepliesInput {
  const parsed = repliesSchema.safeParse(tree);
  if (!parsed.success) throw misfit(path, parsed.error);
  return parsed.data;
}

function toFaults(tree: unknown, path: string): readonly FaultRuleInput[] {
  const parsed = faultRulesSchema.safeParse(tree);
  if (!parsed.success) throw misfit(path, parsed.error);
  return parsed.data;
}

const misfit = (path: string, error: z.ZodError): Failure =>
  new Failure(EXIT.cannotStart, `${path} is not understood:\n${z.prettifyError(error)}`, 'Mend the file.');

export type JournalOptions = { readonly output: 'table' | 'json' };

const lineHead = ['SEQ', 'TIME', 'METHOD', 'DEVICE', 'STATION', 'TEST', 'STATUS', 'EVENT', 'OUTCOME', 'KEY'];

const lineRow = (line: JournalLine): readonly (string | number)[] => [
  line.seq,
  localTime(new Date(line.at)),
  line.method,
  ...[line.device, line.station, line.testId, line.status, line.event].map((word) => word ?? ''),
  line.faultCode === null ? line.outcome : `${line.outcome} ${String(line.faultCode)}`,
  line.key ?? '',
];

export const printJournal = async (terminal: Terminal, path: string, options: JournalOptions): Promise<ExitCode> => {
  const lines = await readJournal(path);
  if (options.output === 'json') printJson(terminal, lines);
  else printTable(terminal, lineHead, lines.map(lineRow));
  return EXIT.ok;
};

export type CheckOptions = JournalOptions & { readonly ended?: true } & Partial<CheckShopfloorOptions>;

const SERVICE_OPTIONS = ['serial', 'station', 'slow', 'timeout', 'strict'] as const;
const SERVICE_DEFAULTS = { station: 'SMT', slow: 2_000, timeout: 60_000 };

/** A journal, or a service by its URL. */
export const check = async (terminal: Terminal, operand: string, options: CheckOptions): Promise<ExitCode> => {
  const { checkShopfloor, isAddress } = await import('./shopfloor-check.ts');
  if (!isAddress(operand)) {
    const misplaced = SERVICE_OPTIONS.find((name) => options[name] !== undefined);
    if (misplaced === undefined) return checkJournalFile(terminal, operand, options);
    throw new Failure(
      EXIT.usage,
      `--${misplaced} is for services, and ${operand} is no URL`,
      'Write http://host:port/.',
    );
  }
  if (options.ended === true) throw new Failure(EXIT.usage, '--ended is for journals, and this is a URL');
  return checkShopfloor(terminal, operand, { ...SERVICE_DEFAULTS, ...options });
};

const checkJournalFile = async (
  terminal: Terminal,
  path: string,
  options: JournalOptions & { readonly ended?: true },
): Promise<ExitCode> => {
  const check = checkJournal(await readJournal(path));
  const wrongs = wrongsOf(check, options.ended === true);
  if (options.output === 'json') printJson(terminal, check);
  else {
    printFacts(terminal, [
      ['Calls', check.calls],
      ['Applied', check.applied],
      ['Faults', check.faults],
      ['Devices', check.devices],
      ['Repeated by key', check.duplicates.length],
      ['Without a key', check.withoutKey],
      ['Wrong', wrongs.length === 0 ? 'nothing' : wrongs.length],
    ]);
    for (const wrong of wrongs) terminal.print(`  ${wrong}`);
  }
  return wrongs.length === 0 ? EXIT.ok : EXIT.workFailed;
};

const wrongsOf = (check: JournalCheck, isEnded: boolean): readonly string[] => [
  ...check.orderViolations.map(({ seq, device, method, why }) => `line ${String(seq)}: ${method} of ${device}: ${why}`),
  ...check.duplicates
    .filter(({ sameBody, timesApplied }) => !sameBody || timesApplied > 1)
    .map(({ key, method, timesApplied, sameBody }) =>
      sameBody
        ? `${method} ${key} was applied ${String(timesApplied)} times`
        : `${method} ${key} came again with another body`,
    ),
  ...check.gapsAfter.map((seq) => `lines are missing after ${String(seq)}`),
  ...(isEnded
    ? check.openAttempts.map(({ device, station }) => `${device} was started at ${station} and never closed`)
    : []),
];
