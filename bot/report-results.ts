import { Code } from '../src/gen/google/rpc/code.ts';
import type { ReportTestResultsResponse } from '../src/gen/stationgrid/v1/results.ts';
import { TestResult } from '../src/gen/stationgrid/v1/work.ts';
import { backoffMs } from './backoff.ts';
import { createBell } from './bell.ts';
import type { Clock } from './clock.ts';
import type { Limits } from './limits.ts';
import type { Answer } from './transport.ts';

/** A farm that answers so will answer so again: the results go with the completion. */
const finalCodes: readonly number[] = [Code.UNIMPLEMENTED, Code.PERMISSION_DENIED];
/** So often in a row it may be the session that a farm refuses, which is another within a minute. After that it is the results. */
const REFUSALS_MAX = 12;

/** Reports the results of one lease while it runs. What is not known to have arrived stays in its hands. */
export type ResultsReport = {
  readonly add: (result: TestResult) => void;
  /** No more will be added. Gives what the completion has to carry, once that is little enough for one message. */
  readonly finish: () => Promise<readonly TestResult[]>;
};

export type ResultsReportOptions = {
  readonly report: (results: readonly TestResult[]) => Promise<Answer<ReportTestResultsResponse>>;
  /** The farm says the lease is no longer open. */
  readonly onFenced: () => void;
  /** Ends all reporting: the work was stopped and its results are nobody's any more. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Limits;
};

/** At once when nothing is in flight; what comes meanwhile is gathered for the next call. */
export function startResultsReport(options: ResultsReportOptions): ResultsReport {
  const { limits, signal } = options;
  const waiting: TestResult[] = [];
  const bell = createBell();
  let finishing = false;
  let pumping = Promise.resolve();
  let isPumping = false;
  let gaveUp = false;

  const isDone = (): boolean =>
    waiting.length === 0 || gaveUp || signal.aborted || (finishing && sizeOf(waiting) <= limits.completionBytesMax);

  async function pump(): Promise<void> {
    isPumping = true;
    let failures = 0;
    let refusals = 0;
    let isAlone = false;
    while (!isDone()) {
      const batch = takeBatch(isAlone ? waiting.slice(0, 1) : waiting, limits);
      const answer = await options.report(batch);
      if (answer.kind === 'answered') {
        failures = 0;
        refusals = 0;
        isAlone = false;
        waiting.splice(0, batch.length);
        if (!answer.reply.fenced) continue;
        gaveUp = true;
        options.onFenced();
      } else if (finalCodes.includes(answer.code)) {
        gaveUp = true;
      } else {
        failures += 1;
        refusals = answer.code === Code.INVALID_ARGUMENT ? refusals + 1 : 0;
        if (refusals >= REFUSALS_MAX) {
          // Only the culprit suffers, and what matters of it is its verdict.
          const [first] = batch;
          if (batch.length > 1) isAlone = true;
          else if (first !== undefined && !isBare(first)) waiting[0] = bare(first);
          else gaveUp = true;
        }
        // Taken before the check: a finish that comes now must cut the wait, not sit it out.
        const next = bell.next();
        if (!isDone()) {
          await options.clock.sleep(backoffMs(failures, options.random, limits), AbortSignal.any([next, signal]));
        }
      }
    }
    isPumping = false;
  }

  return {
    add: (result) => {
      waiting.push(result);
      if (!isPumping) pumping = pump();
    },
    finish: async () => {
      finishing = true;
      bell.ring();
      await pumping;
      const fits = (results: readonly TestResult[]): boolean => sizeOf(results) <= limits.completionBytesMax;
      if (fits(waiting)) return waiting;
      const short = waiting.map(withoutLogs);
      return fits(short) ? short : short.map(bare);
    },
  };
}

function takeBatch(waiting: readonly TestResult[], limits: Limits): TestResult[] {
  const batch: TestResult[] = [];
  let bytes = 0;
  for (const result of waiting.slice(0, limits.reportResultsMax)) {
    bytes += sizeOf([result]);
    if (batch.length > 0 && bytes > limits.reportBytesMax) break;
    batch.push(result);
  }
  return batch;
}

const sizeOf = (results: readonly TestResult[]): number =>
  results.reduce((sum, result) => sum + TestResult.encode(result).finish().length, 0);

/** Only where the farm takes no reports at all: the verdict matters more than the log. */
const withoutLogs = (result: TestResult): TestResult => ({ ...result, logsTail: '' });
const bare = (result: TestResult): TestResult => ({ ...withoutLogs(result), measurements: [], attachments: [] });
const isBare = ({ logsTail, measurements, attachments }: TestResult): boolean =>
  logsTail === '' && measurements.length + attachments.length === 0;
