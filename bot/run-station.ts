import type { StationWork, Test, TestResult } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import { runHandler, type Handlers } from './handler.ts';
import type { Limits } from './limits.ts';
import { runCommand, type CannotStart } from './run-command.ts';
import { createTestRecord, type Ending, type TestRecord } from './test-record.ts';
import { createLogTail } from './text.ts';
import { toMs } from './time-on-the-wire.ts';

export type StationOutcome = { readonly kind: 'ran'; readonly logsTail: string } | CannotStart;

export type Station = {
  readonly work: StationWork;
  readonly handlers: Handlers;
  /** Stops the work. The test it cuts gives no result. */
  readonly signal: AbortSignal;
  /** Asked before each test; aborts the signal if none may begin any more. */
  readonly heed?: () => void;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Called once for each test that ended, in order. */
  readonly onResult: (result: TestResult) => void;
};

/** Runs the tests in their order, all of them: a failure does not spare the others, the line wants to know them too. */
export async function runStation(station: Station): Promise<StationOutcome> {
  const { work, clock, limits, signal, heed = () => undefined } = station;
  const log = createLogTail({ bytesMax: limits.stationLogBytesMax, lineBytesMax: limits.lineBytesMax });
  const isStopped = (): boolean => signal.aborted;
  for (const test of work.tests) {
    heed();
    if (isStopped()) break;
    log.add(`--- ${test.testId}`);
    const record = createTestRecord(test.testId, clock, limits, log);
    const ending = await withTimeout(test, station, (stop) => runTest(test, station, record, stop));
    if (isStopped()) break;
    if ('kind' in ending) return ending;
    const result = record.toResult(ending);
    station.onResult(result);
  }
  return { kind: 'ran', logsTail: log.text() };
}

/** Stops the test when its time is up, and then calls it FAILED whatever it says. */
async function withTimeout(
  test: Test,
  { signal, clock }: Station,
  run: (stop: AbortSignal) => Promise<Ending | CannotStart>,
): Promise<Ending | CannotStart> {
  const timeoutMs = toMs(test.timeout);
  if (timeoutMs === null) return run(signal);
  const ended = new AbortController();
  const timeUp = new AbortController();
  const watch = clock.sleep(timeoutMs, ended.signal).then(() => {
    if (!ended.signal.aborted) timeUp.abort();
  });
  const ending = await run(AbortSignal.any([signal, timeUp.signal]));
  ended.abort();
  await watch;
  return timeUp.signal.aborted ? { status: 'FAILED', errorMessage: `timed out after ${timeoutMs / 1000} s` } : ending;
}

async function runTest(
  test: Test,
  { work, handlers, clock, limits }: Station,
  record: TestRecord,
  signal: AbortSignal,
): Promise<Ending | CannotStart> {
  const args = test.args ?? {};
  const deviceData = work.deviceData ?? {};
  if (test.run?.$case === 'command') {
    const env = {
      STATIONGRID_TEST_ID: test.testId,
      STATIONGRID_STATION: work.station,
      STATIONGRID_TEST_ARGS: JSON.stringify(args),
      STATIONGRID_DEVICE_DATA: JSON.stringify(deviceData),
      STATIONGRID_SERIALS: JSON.stringify(work.serials),
    };
    return runCommand({ command: test.run.value, env, record, signal }, { clock, limits });
  }
  const name = test.run?.value ?? '';
  const handler = handlers[name];
  // Seen to before the lease was accepted; said again here because a handler's name comes from outside.
  if (handler === undefined) return { kind: 'cannot-start', why: `this bot has no handler named "${name}"` };
  const { measure, log } = record;
  const context = { test, attempt: work.attempt, args, deviceData, serials: work.serials, signal, clock, measure, log };
  return runHandler(handler, context, record);
}
