/** What a job runs, and whether it can be run at all. */
import type { Limits } from './limits.ts';
import { invalid } from './refusal.ts';
import type { StationWork, Test, TestRun } from './station-work.ts';
import { checkJson, checkName, checkText } from './text.ts';
import { workBytes } from './work-size.ts';

/** A station's work, or somebody else's bytes, handed to the bot as they are. */
export type Task =
  | { readonly kind: 'work'; readonly work: StationWork }
  | { readonly kind: 'foreign'; readonly typeUrl: string; readonly value: Uint8Array };

/** A payload of this type is a station's work and must be decoded as one before it comes here. */
const STATION_WORK = /(^|\/)stationgrid\.v1\.StationWork$/;

export const checkTask = (station: string, task: Task, limits: Limits): void => {
  if (task.kind === 'foreign') {
    checkForeign(station, task, limits);
    return;
  }
  checkName('The station', station, limits.text.nameBytesMax);
  if (task.work.station !== station) {
    throw invalid(
      'STATION_MISMATCH',
      `The job is for station '${station}', but its work names '${task.work.station}'. Make them the same.`,
    );
  }
  checkTests(task.work, limits);
  checkBytes(workBytes(task.work), limits);
};

const checkForeign = (station: string, task: Task & { readonly kind: 'foreign' }, limits: Limits): void => {
  checkName('The type of the payload', task.typeUrl, limits.text.nameBytesMax);
  if (STATION_WORK.test(task.typeUrl)) {
    throw invalid(
      'PAYLOAD_NOT_DECODED',
      `The payload says it is ${task.typeUrl}, but it did not decode as one. Send a StationWork, or name the type it is of.`,
    );
  }
  if (station !== '') {
    throw invalid(
      'STATION_OF_FOREIGN_WORK',
      `The job names station '${station}', but its payload is a ${task.typeUrl}, which is no station's work. Leave the station out, or send a StationWork.`,
    );
  }
  checkBytes(task.value.byteLength, limits);
};

const checkBytes = (bytes: number, limits: Limits): void => {
  if (bytes <= limits.text.payloadBytesMax) return;
  throw invalid(
    'PAYLOAD_TOO_BIG',
    `The payload has ${bytes} bytes, as JSON or as its bot is told it; at most ${limits.text.payloadBytesMax} are allowed. Send less, or a reference to it.`,
  );
};

const checkTests = (work: StationWork, limits: Limits): void => {
  const { testsMax } = limits.jobs;
  if (work.tests.length === 0) {
    throw invalid(
      'NO_TESTS',
      `The work for station '${work.station}' names no test, so it could never pass. Name at least one, or list the station's tests in the line's configuration.`,
    );
  }
  if (work.tests.length > testsMax) {
    throw invalid(
      'TOO_MANY_TESTS',
      `The work names ${work.tests.length} tests; at most ${testsMax} are allowed. Split it.`,
    );
  }
  const seen = new Set<string>();
  for (const test of work.tests) {
    checkTest(test, limits);
    if (seen.has(test.testId)) {
      throw invalid('DUPLICATE_TEST', `The work names test '${test.testId}' twice. Give each test an id of its own.`);
    }
    seen.add(test.testId);
  }
};

const checkTest = (test: Test, limits: Limits): void => {
  checkName('A test id', test.testId, limits.text.nameBytesMax);
  if (test.run !== null) checkRun(test.testId, test.run, limits);
  checkJson(`the arguments of test '${test.testId}'`, test.args, limits.text.payloadBytesMax);
  if (test.timeoutMs === null) return;
  if (!(test.timeoutMs > 0 && test.timeoutMs <= limits.jobs.executionTimeoutMaxMs)) {
    throw invalid(
      'DURATION_OUT_OF_RANGE',
      `The timeout of test '${test.testId}' is ${test.timeoutMs / 1000} s; it must be above 0 and at most ${limits.jobs.executionTimeoutMaxMs / 1000} s.`,
    );
  }
};

const checkRun = (testId: string, run: TestRun, limits: Limits): void => {
  if (run.kind === 'handler') {
    checkName(`The handler of test '${testId}'`, run.name, limits.text.nameBytesMax);
    return;
  }
  const [program] = run.argv;
  if (program === undefined || program === '') {
    throw invalid('COMMAND_EMPTY', `The command of test '${testId}' names no program. Give one, or a handler.`);
  }
  const what = `the command of test '${testId}'`;
  checkJson(what, run.argv, limits.text.payloadBytesMax);
  checkJson(what, run.env, limits.text.payloadBytesMax);
  checkText(what, run.workingDirectory, limits.text.payloadBytesMax);
};
