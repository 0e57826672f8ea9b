/** How jobs look to people, and whether one has done what it should. */
import { Job, JobState, Verdict } from '../gen/stationgrid/v1/jobs.ts';
import { type TestResult, testStatusToJSON } from '../gen/stationgrid/v1/work.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Cell, durationCell, localTime, NONE, printFacts, printJson, printTable, serialsCell } from './print.ts';
import type { Terminal } from './terminal.ts';

const stateNames: Readonly<Record<JobState, string>> = {
  [JobState.JOB_STATE_UNSPECIFIED]: NONE,
  [JobState.QUEUED]: 'QUEUED',
  [JobState.LEASED]: 'LEASED',
  [JobState.CANCELLING]: 'CANCELLING',
  [JobState.FINISHED]: 'FINISHED',
  [JobState.JOB_FAILED]: 'FAILED',
  [JobState.CANCELLED]: 'CANCELLED',
  [JobState.UNRECOGNIZED]: 'UNKNOWN',
};

const verdictNames: Readonly<Record<Verdict, string>> = {
  [Verdict.VERDICT_UNSPECIFIED]: NONE,
  [Verdict.VERDICT_PASSED]: 'PASSED',
  [Verdict.VERDICT_FAILED]: 'FAILED',
  [Verdict.UNRECOGNIZED]: 'UNKNOWN',
};

const ended: ReadonlySet<JobState> = new Set([JobState.FINISHED, JobState.JOB_FAILED, JobState.CANCELLED]);

export const hasEnded = (job: Job): boolean => ended.has(job.state);

/** Foreign work has no verdict: it did what it should when it ran to its end. */
export const hasPassed = (job: Job): boolean =>
  job.state === JobState.FINISHED &&
  (job.verdict === Verdict.VERDICT_PASSED || (job.verdict === Verdict.VERDICT_UNSPECIFIED && job.station === ''));

export const exitCodeOf = (jobs: readonly Job[]): ExitCode => (jobs.every(hasPassed) ? EXIT.ok : EXIT.workFailed);

/** `QUEUED, held by GATE`. */
export const standing = (job: Job): string =>
  stateNames[job.state] + (job.heldBy === '' ? '' : `, held by ${job.heldBy}`);

export const verdictOf = ({ verdict }: Job): string => verdictNames[verdict];

/** The most telling words about where it stands. */
const reasonOf = (job: Job): string => {
  const code = job.failure === '' ? '' : `${job.failure}: `;
  return job.heldReason === '' ? `${code}${job.reason}` : job.heldReason;
};

const jobHead = ['ID', 'STATION', 'SERIALS', 'STATE', 'VERDICT', 'ATTEMPTS', 'BOT', 'ENQUEUED', 'REASON'];

const jobRow = (job: Job): readonly Cell[] => [
  job.id,
  job.station,
  serialsCell(job.serials),
  standing(job),
  verdictNames[job.verdict],
  job.attempts,
  job.botId,
  localTime(job.enqueueTime),
  reasonOf(job),
];

export const printJobTable = (terminal: Terminal, jobs: readonly Job[]): void =>
  printTable(terminal, jobHead, jobs.map(jobRow));

export const printJob = (terminal: Terminal, job: Job, output: 'table' | 'json'): void => {
  if (output === 'json') {
    printJson(terminal, Job.toJSON(job));
    return;
  }
  printFacts(terminal, jobFacts(job));
  if (job.results.length + job.resultsLeftOut === 0) return;
  terminal.print('');
  printTable(terminal, resultHead, job.results.map(resultRow));
  if (job.resultsLeftOut === 0) return;
  terminal.print('');
  terminal.print(`${job.resultsLeftOut} more: \`stationgrid results list ${job.id}\` shows all.`);
};

const jobFacts = (job: Job): readonly (readonly [string, Cell])[] => {
  const sometimes: readonly (readonly [string, Cell])[] = [
    ['Constraints', job.constraints.map(({ key, allowedValues }) => `${key}=${allowedValues.join(',')}`).join(' ')],
    ['Only bot', job.requestedBotId],
    ['Route', job.route],
    ['Payload', job.task?.$case === 'payload' ? job.task.value.typeUrl : ''],
    ['Queue timeout', job.queueTimeout === undefined ? '' : durationCell(job.queueTimeout)],
    ['Reason', reasonOf(job)],
    ['Started', job.startTime === undefined ? '' : localTime(job.startTime)],
    ['Ended', job.endTime === undefined ? '' : localTime(job.endTime)],
  ];
  return [
    ['Job', job.id],
    ['Instance', job.instance],
    ['Station', job.station],
    ['Serials', serialsCell(job.serials)],
    ['State', standing(job)],
    ['Verdict', verdictNames[job.verdict]],
    ['Attempts', job.attemptsMax === 0 ? job.attempts : `${String(job.attempts)} of ${String(job.attemptsMax)}`],
    ['Bot', job.botId],
    ['Priority', job.priority],
    ['Enqueued', localTime(job.enqueueTime)],
    ...sometimes.filter(([, cell]) => cell !== ''),
  ];
};

export const resultHead = ['TEST', 'STATUS', 'TIME', 'WHY', 'MEASURED'];

export const resultRow = (result: TestResult): readonly Cell[] => [
  result.testId,
  testStatusToJSON(result.status),
  durationCell(result.duration),
  result.errorMessage,
  result.measurements
    .map(({ name, value, unit }) => `${name}=${String(value?.value ?? NONE)}${unit === '' ? '' : ` ${unit}`}`)
    .join(', '),
];
