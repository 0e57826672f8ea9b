/** A unit's history for people: a table of its stations, then what happened, line by line. */
import { type Job, JobState, Verdict } from '../gen/stationgrid/v1/jobs.ts';
import { type Call, CallState } from '../gen/stationgrid/v1/shopfloor.ts';
import type { UnitAttempt, UnitEntry, UnitEvent, UnitUpload } from '../gen/stationgrid/v1/units.ts';
import { TestResult, TestStatus, testStatusToJSON } from '../gen/stationgrid/v1/work.ts';
import { type Cell, localTime, printTable } from './print.ts';
import { resultRow, standing, verdictOf } from './show-job.ts';
import type { Terminal } from './terminal.ts';

export const showTimeline = (terminal: Terminal, entries: readonly UnitEntry[]): void => {
  if (entries.length === 0) return;
  const rows = attemptRows(entries);
  if (rows.length > 0) {
    terminal.print('');
    printTable(terminal, ['STATION', 'JOB', 'ATTEMPT', 'BOT', 'VERDICT', 'WHEN', 'FAILED TESTS', 'CALLS'], rows);
  }
  terminal.print('');
  printTable(
    terminal,
    ['TIME', 'STATION', 'JOB', 'WHAT', 'HOW'],
    entries.map(({ time, station, jobId, what }) => [
      localTime(time),
      station,
      jobId === 0n ? '' : jobId,
      ...wordsOf(what),
    ]),
  );
};

type Tally = { readonly failed: string[]; readonly calls: CallTally };
type CallTally = { delivered: number; owed: number; dead: number };

/** A row for each attempt; a job that nobody was given yet has one of its own. */
const attemptRows = (entries: readonly UnitEntry[]): readonly (readonly Cell[])[] => {
  const jobs = new Map(entries.flatMap(({ what }) => (what?.$case === 'job' ? [[what.value.id, what.value]] : [])));
  const tallies = tally(entries);
  const given = new Set(entries.flatMap(({ what, jobId }) => (what?.$case === 'attempt' ? [jobId] : [])));
  return entries.flatMap(({ what, jobId, station, time }) => {
    if (what?.$case === 'attempt') {
      const attempt = what.value;
      const { failed, calls } = tallies.get(keyOf(jobId, attempt.attempt)) ?? noTally();
      const when = localTime(attempt.startTime ?? time);
      const verdict = attemptVerdict(attempt, jobs.get(jobId));
      return [[station, jobId, attempt.attempt, attempt.botId, verdict, when, failed.join(', '), callsCell(calls)]];
    }
    if (what?.$case !== 'job' || given.has(jobId)) return [];
    const { calls } = tallies.get(keyOf(jobId, 1)) ?? noTally();
    return [[station, jobId, '', '', standing(what.value), localTime(time), '', callsCell(calls)]];
  });
};

const noTally = (): Tally => ({ failed: [], calls: { delivered: 0, owed: 0, dead: 0 } });

const keyOf = (jobId: bigint, attempt: number): string => `${String(jobId)}/${String(attempt)}`;

/** By job and attempt. */
const tally = (entries: readonly UnitEntry[]): ReadonlyMap<string, Tally> => {
  const tallies = new Map<string, Tally>();
  const of = (jobId: bigint, attempt: number): Tally => {
    const key = keyOf(jobId, attempt);
    const known = tallies.get(key) ?? noTally();
    tallies.set(key, known);
    return known;
  };
  for (const { what, jobId } of entries) {
    if (what?.$case === 'result') {
      const { attempt, stale, result } = what.value;
      if (!stale && result?.status === TestStatus.FAILED) of(jobId, attempt).failed.push(result.testId);
    }
    if (what?.$case === 'call') countCall(of(jobId, what.value.attempt).calls, what.value.state);
  }
  return tallies;
};

const countCall = (calls: CallTally, state: CallState): void => {
  if (state === CallState.DEAD) calls.dead += 1;
  else if (state === CallState.OWED) calls.owed += 1;
  else calls.delivered += 1;
};

/** `6 delivered, 1 owed`; empty: none. */
const callsCell = ({ delivered, owed, dead }: CallTally): string =>
  [
    [delivered, 'delivered'],
    [owed, 'owed'],
    [dead, 'dead'],
  ]
    .filter(([n]) => n !== 0)
    .map((pair) => pair.join(' '))
    .join(', ');

/** The verdict is of the job, and its last attempt's; an attempt that ended otherwise says how. */
const attemptVerdict = ({ state, attempt }: UnitAttempt, job: Job | undefined): string =>
  state === 'COMPLETED' && job?.attempts === attempt && job.verdict !== Verdict.VERDICT_UNSPECIFIED
    ? verdictOf(job)
    : state;

type What = UnitEntry['what'];

const wordsOf = (what: What): readonly [string, string] => {
  switch (what?.$case) {
    case 'job':
      return ['job', jobWords(what.value)];
    case 'attempt':
      return [`attempt ${String(what.value.attempt)}`, attemptWords(what.value)];
    case 'result':
      return ['test', resultWords(what.value)];
    case 'upload':
      return ['upload', uploadWords(what.value)];
    case 'call':
      return ['call', callWords(what.value)];
    case 'event':
      return ['event', eventWords(what.value)];
    case 'note':
      return ['note', `${what.value.author}: ${what.value.note}`];
    case undefined:
      return ['', 'something that this version of the command does not know'];
  }
};

const joined = (...words: readonly string[]): string => words.filter((word) => word !== '').join(', ');

const jobWords = (job: Job): string =>
  joined(
    standing(job),
    job.verdict === Verdict.VERDICT_UNSPECIFIED ? '' : verdictOf(job),
    job.state === JobState.QUEUED ? job.heldReason : job.reason,
  );

const attemptWords = ({ botId, state, closeTime, reason }: UnitAttempt): string =>
  joined(`on ${botId}: ${state}`, closeTime === undefined ? '' : `ended ${localTime(closeTime)}`, reason);

const resultWords = ({
  result,
  stale,
}: {
  readonly result: TestResult | undefined;
  readonly stale: boolean;
}): string => {
  const { testId, status, ...rest } = result ?? TestResult.create();
  const [, , , , measured = ''] = resultRow({ testId, status, ...rest });
  return joined(
    `${testId} ${testStatusToJSON(status)}${stale ? ' (stale, counts for nothing)' : ''}`,
    rest.errorMessage,
    String(measured),
  );
};

const uploadWords = ({ kind, path, sizeBytes }: UnitUpload): string => `${kind} ${path}, ${String(sizeBytes)} bytes`;

const callWords = (call: Call): string =>
  joined(
    [call.method, call.testId, call.status, call.event].filter((word) => word !== '').join(' '),
    callStateNames[call.state],
    call.sends > 1 ? `sent ${String(call.sends)} times` : '',
    call.possiblyDuplicated ? 'possibly twice' : '',
    call.state === CallState.DELIVERED ? '' : call.lastError,
    call.skipReason,
  );

const callStateNames: Readonly<Record<CallState, string>> = {
  [CallState.CALL_STATE_UNSPECIFIED]: '',
  [CallState.OWED]: 'OWED',
  [CallState.DELIVERED]: 'DELIVERED',
  [CallState.GATE_REFUSED]: 'GATE_REFUSED',
  [CallState.DEAD]: 'DEAD',
  [CallState.CALL_SKIPPED]: 'SKIPPED',
  [CallState.UNRECOGNIZED]: 'UNKNOWN',
};

/** Its facts that say something, each after its name. */
const eventWords = ({ kind, facts }: UnitEvent): string =>
  joined(
    kind,
    ...Object.entries(facts ?? {}).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' ? [`${name}: ${String(value)}`] : [],
    ),
  );
