import type { Test } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import type { Ending, MeasurementLimits, Outcome, TestRecord } from './test-record.ts';

/** What a handler knows and can say. */
export type HandlerContext = {
  readonly test: Test;
  /** 1 for the first attempt of the job. */
  readonly attempt: number;
  readonly args: Readonly<Record<string, unknown>>;
  readonly deviceData: Readonly<Record<string, unknown>>;
  readonly serials: Readonly<Record<string, string>>;
  /** Aborts when the test must stop: cancelled, timed out, or the farm is out of reach. Stop, then return or throw. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly measure: (name: string, value: number | string, limits?: MeasurementLimits) => void;
  readonly log: (line: string) => void;
};

/** Returns for PASSED, says a status of its own, or throws for FAILED with the error's message. */
export type Handler = (
  context: HandlerContext,
) => Promise<undefined | { readonly status: Outcome; readonly errorMessage?: string }> | Promise<void>;

export type Handlers = Readonly<Record<string, Handler>>;

export async function runHandler(handler: Handler, context: HandlerContext, record: TestRecord): Promise<Ending> {
  try {
    const ending = await handler(context);
    return { status: ending?.status ?? 'PASSED', errorMessage: ending?.errorMessage ?? '' };
  } catch (error) {
    record.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { status: 'FAILED', errorMessage: error instanceof Error ? error.message : String(error) };
  }
}
