/** `stationgrid shopfloor replay`: a journal's calls once more, to whoever shall hear them. */
import { randomUUID } from 'node:crypto';
import { createShopfloorClient, type Outcome, type ShopfloorClient } from '../bridge/shopfloor-client.ts';
import { toShopfloorUrl } from '../core/shopfloor-url.ts';
import { withoutCredentials } from '../core/secret.ts';
import { processClock } from '../process-clock.ts';
import { type JournalLine, readJournal } from '../reference-shopfloor/journal.ts';
import { encodeCall, type XmlRpcValue } from '../wire/xml-rpc.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { printFacts, printJson, printTable } from './print.ts';
import { startProgress } from './progress.ts';
import { stopSignals } from './stop-signals.ts';
import type { Terminal } from './terminal.ts';

export type ReplayOptions = {
  readonly output: 'table' | 'json';
  readonly from: number;
  readonly to?: number;
  readonly device?: string;
  readonly all?: true;
  readonly keys: 'derived' | 'same' | 'new';
  readonly concurrency: number;
  readonly dryRun?: true;
};

/** A line that can be sent again. */
type Call = {
  readonly line: JournalLine;
  readonly key: string;
  readonly params: readonly XmlRpcValue[];
};

type Difference = { readonly line: JournalLine; readonly then: string; readonly now: string };

type Replayed = { readonly sent: number; readonly unsent: number; readonly differences: readonly Difference[] };

export const replayJournal = async (
  terminal: Terminal,
  path: string,
  address: string,
  options: ReplayOptions,
): Promise<ExitCode> => {
  const target = toShopfloorUrl(address);
  if (target.kind === 'unsupported') throw new Failure(EXIT.usage, target.why);
  const lines = (await readJournal(path)).filter((line) => isChosen(line, options));
  const calls = lines.flatMap((line) => toCall(line, options) ?? []);
  if (options.dryRun === true) {
    showPlan(terminal, calls, options);
    return EXIT.ok;
  }
  const client = createShopfloorClient({ url: address, clock: processClock });
  const stopping = stopSignals();
  const progress = startProgress(terminal, { total: calls.length, what: 'Calls' });
  let done = 0;
  const replayed = await replay(client, calls, {
    concurrency: options.concurrency,
    signal: stopping,
    onSent: () => progress.show((done += 1), ''),
  });
  progress.end();
  client.close();
  show(terminal, { ...replayed, leftOut: lines.length - calls.length }, options);
  if (stopping.aborted) return EXIT.interrupted;
  if (replayed.sent === 0 && replayed.unsent > 0) {
    const why = replayed.differences[0]?.now ?? '';
    throw new Failure(EXIT.unreachable, `no shopfloor answers at ${withoutCredentials(address)}: ${why}`);
  }
  return replayed.differences.length === 0 ? EXIT.ok : EXIT.workFailed;
};

const isChosen = (line: JournalLine, { from, to = Infinity, device, all }: ReplayOptions): boolean =>
  line.seq >= from &&
  line.seq <= to &&
  (device === undefined || line.device === device) &&
  (all === true || line.outcome === 'applied');

/** Null: the journal does not keep what it would take. */
const toCall = (line: JournalLine, { keys }: Pick<ReplayOptions, 'keys'>): Call | null => {
  const params = paramsOf(line);
  return params === null ? null : { line, key: keyOf(line, keys), params };
};

/** A rebuilt call has not the bytes of the first one, so that under its key it would be a mistake to who compares them. */
const keyOf = ({ key, seq }: JournalLine, keys: ReplayOptions['keys']): string => {
  if (keys === 'new') return randomUUID();
  return keys === 'same' && key !== null ? key : `replay-${key ?? String(seq)}`;
};

const paramsOf = ({ method, serials, station, testId, status, event }: JournalLine): readonly XmlRpcValue[] | null => {
  const unit = Object.fromEntries(Object.entries(serials).map(([name, value]) => [`serials.${name}`, value]));
  switch (method) {
    case 'GetVersion':
      return [];
    case 'NotifyStart':
    case 'NotifyEnd':
      return [unit, station];
    case 'GetDeviceInfo':
      return [unit];
    case 'NotifyEvent':
      return [unit, event];
    case 'UpdateTestResult':
      return [unit, testId, status, null];
    default:
      return null;
  }
};

type Run = { readonly concurrency: number; readonly signal: AbortSignal; readonly onSent: () => void };

/** Each DUT's calls in order, so many DUTs at once. */
const replay = async (
  client: Pick<ShopfloorClient, 'call'>,
  calls: readonly Call[],
  { concurrency, signal, onSent }: Run,
): Promise<Replayed> => {
  const lanes = [...Map.groupBy(calls, ({ line }) => line.device ?? `line ${String(line.seq)}`).values()];
  const differences: Difference[] = [];
  let [sent, unsent] = [0, 0];

  async function send(lane: readonly Call[]): Promise<void> {
    for (const [index, { line, key, params }] of lane.entries()) {
      const outcome = await client.call(line.method, encodeCall(line.method, params), { idempotencyKey: key, signal });
      const [then, now] = [thenWords(line), nowWords(outcome)];
      if (!isSame(line, outcome)) differences.push({ line, then, now });
      // What follows would come to the partner in another order than it was.
      if (outcome.kind === 'refused' || outcome.kind === 'ambiguous') {
        sent += outcome.kind === 'ambiguous' ? 1 : 0;
        unsent += lane.length - index - (outcome.kind === 'ambiguous' ? 1 : 0);
        return;
      }
      sent += 1;
      onSent();
    }
  }

  const workers = Array.from({ length: Math.min(concurrency, lanes.length) }, async () => {
    for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
      if (signal.aborted) unsent += lane.length;
      else await send(lane);
    }
  });
  await Promise.all(workers);
  return { sent, unsent, differences: differences.sort((a, b) => a.line.seq - b.line.seq) };
};

const wasAnswered = ({ outcome }: JournalLine): boolean => outcome === 'applied' || outcome === 'repeated';

const isSame = (line: JournalLine, now: Outcome): boolean =>
  wasAnswered(line) ? now.kind === 'answered' : now.kind === 'fault' && now.code === line.faultCode;

const thenWords = (line: JournalLine): string =>
  wasAnswered(line) ? 'answered' : `fault ${String(line.faultCode ?? '')}`.trim();

const nowWords = (outcome: Outcome): string => {
  switch (outcome.kind) {
    case 'answered':
      return 'answered';
    case 'fault':
      return `fault ${String(outcome.code)}: ${outcome.text.trimEnd().split('\n').at(-1) ?? ''}`;
    case 'refused':
    case 'ambiguous':
      return outcome.why;
  }
};

const subjectOf = ({ seq, method, device, station, testId, event }: JournalLine): readonly (string | number)[] => [
  ...[seq, method, device ?? '', station ?? event ?? '', testId ?? ''],
];
const SUBJECT_HEAD = ['SEQ', 'METHOD', 'DEVICE', 'STATION/EVENT', 'TEST'];

const showPlan = (terminal: Terminal, calls: readonly Call[], { output }: ReplayOptions): void => {
  if (output === 'json') {
    printJson(
      terminal,
      calls.map(({ line: { seq, method }, key, params }) => ({ seq, method, key, params })),
    );
  } else {
    printTable(
      terminal,
      [...SUBJECT_HEAD, 'KEY'],
      calls.map(({ line, key }) => [...subjectOf(line), key]),
    );
  }
};

const show = (
  terminal: Terminal,
  { sent, unsent, leftOut, differences }: Replayed & { readonly leftOut: number },
  { output }: ReplayOptions,
): void => {
  if (output === 'json') {
    const differing = differences.map(({ line: { seq, method, device }, then, now }) => ({
      ...{ seq, method, device, then, now },
    }));
    printJson(terminal, { sent, unsent, leftOut, differences: differing });
    return;
  }
  printFacts(terminal, [
    ['Sent', sent],
    ['Not sent', unsent],
    ['Left out', leftOut],
    ['Different', differences.length === 0 ? 'nothing' : differences.length],
  ]);
  if (differences.length === 0) return;
  printTable(
    terminal,
    [...SUBJECT_HEAD, 'THEN', 'NOW'],
    differences.map(({ line, then, now }) => [...subjectOf(line), then, now]),
  );
};
