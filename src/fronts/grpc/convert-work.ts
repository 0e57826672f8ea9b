/** Station work on the wire and in core. */
import type { GrantedWork, StationWork, Test, TestRun } from '../../core/station-work.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import { StationWork as StationWorkMessage, type Test as TestMessage } from '../../gen/stationgrid/v1/work.ts';
import { durationOf, durationOrUnset, msOf } from './convert-time.ts';

const TYPE = 'stationgrid.v1.StationWork';
const TYPE_URL = `type.googleapis.com/${TYPE}`;

/** As a scheduler submits it; what the farm fills in is left out. */
export const workOf = ({ station, tests }: StationWorkMessage): StationWork => ({ station, tests: tests.map(testOf) });

const testOf = ({ testId, run, args, timeout }: TestMessage): Test => ({
  testId,
  run: runOf(run),
  args: args ?? null,
  timeoutMs: msOf(timeout),
});

const runOf = (run: TestMessage['run']): TestRun | null => {
  if (run === undefined) return null;
  switch (run.$case) {
    case 'command':
      return { kind: 'command', ...run.value };
    case 'handler':
      return { kind: 'handler', name: run.value };
  }
};

/** A payload that says it is station work and is; null: it says or is something else. */
export const packedWork = ({ typeUrl, value }: Any): StationWorkMessage | null => {
  if (typeUrl.slice(typeUrl.lastIndexOf('/') + 1) !== TYPE) return null;
  try {
    return StationWorkMessage.decode(value);
  } catch {
    return null;
  }
};

export const workMessageOf = (work: StationWork): StationWorkMessage =>
  StationWorkMessage.create({ station: work.station, tests: work.tests.map(testMessageOf) });

const testMessageOf = ({ testId, run, args, timeoutMs }: Test): TestMessage => ({
  testId,
  run: runMessageOf(run),
  args: args ?? undefined,
  timeout: durationOrUnset(timeoutMs),
});

const runMessageOf = (run: TestRun | null): TestMessage['run'] => {
  if (run === null) return undefined;
  if (run.kind === 'handler') return { $case: 'handler', value: run.name };
  const { argv, env, workingDirectory } = run;
  return { $case: 'command', value: { argv, env: { ...env }, workingDirectory } };
};

const pack = (message: StationWorkMessage): Any => ({
  typeUrl: TYPE_URL,
  value: Buffer.from(StationWorkMessage.encode(message).finish()),
});

export const packWork = (work: StationWork): Any => pack(workMessageOf(work));

/** The payload of a lease, as bytes: it is encoded once and sent often. */
export const packGranted = (work: GrantedWork): Any =>
  pack({
    ...workMessageOf(work),
    serials: { ...work.serials },
    deviceData: work.deviceData,
    lostAfter: durationOf(work.lostAfterMs),
    jobId: BigInt(work.jobId),
    attempt: work.attempt,
    executionTimeout: durationOrUnset(work.executionTimeoutMs),
  });
