import type { Any } from '../src/gen/google/protobuf/any.ts';
import { Code } from '../src/gen/google/rpc/code.ts';
import { StationResult, type StationWork } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import type { Handlers } from './handler.ts';
import type { Completion } from './lease-book.ts';
import type { Limits } from './limits.ts';
import type { EventPost } from './post-events.ts';
import { startResultsReport } from './report-results.ts';
import { runStation } from './run-station.ts';
import { headOf } from './text.ts';
import type { Transport } from './transport.ts';

/** What stops a run. */
export type RunBounds = {
  /** Stops the work; the completion then means nothing. */
  readonly signal: AbortSignal;
  /** To be asked before anything new begins: aborts the signal if it must not (`works.ts`). */
  readonly heed: () => void;
};

export type LeaseRun = RunBounds & {
  readonly id: string;
  readonly work: StationWork;
  readonly handlers: Handlers;
  readonly onFenced: () => void;
  readonly post: EventPost;
  readonly transport: Transport;
  /** The session to report through, which may change while the work runs; null while there is none. */
  readonly session: () => string | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Limits;
};

/**
 * Runs a lease's station, reports its results on the way, and says how the lease completes. A test that fails is a result,
 * and the lease is OK; the other codes say that the bot could not do its part. Never rejects.
 */
export async function runLease(run: LeaseRun): Promise<Completion> {
  const { id, work, handlers, signal, heed, onFenced, clock, random, limits } = run;
  const report = startResultsReport({
    report: (results) => {
      const bounds = { deadlineMs: limits.callMs, signal };
      const session = run.session();
      return session === null
        ? Promise.resolve({ kind: 'failed', code: Code.UNAVAILABLE, message: 'the bot has no session just now' })
        : run.transport.reportTestResults({ session, leaseId: id, results }, bounds);
    },
    ...{ onFenced, signal, clock, random, limits },
  });
  const cannot = (code: number, why: string): Completion => {
    if (!signal.aborted) void run.post('ERROR', `${work.station} cannot be run: ${why}`);
    return { code, message: headOf(why, limits.messageBytesMax), result: null };
  };
  try {
    const outcome = await runStation({ work, handlers, signal, heed, clock, limits, onResult: report.add });
    const results = await report.finish();
    // FAILED_PRECONDITION sends the work to another bot, which may have what is missing here.
    if (outcome.kind === 'cannot-start') return cannot(Code.FAILED_PRECONDITION, outcome.why);
    return { code: Code.OK, message: '', result: toAny({ results, logsTail: outcome.logsTail }) };
  } catch (error) {
    return cannot(Code.INTERNAL, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

const toAny = (result: StationResult): Any => ({
  typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
  value: Buffer.from(StationResult.encode(result).finish()),
});
