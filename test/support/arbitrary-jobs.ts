/** Jobs and results of every shape that the farm takes, for properties of the doors' codecs. */
import fc from 'fast-check';
import type { StationWork, Test, TestRun } from '../../src/core/station-work.ts';
import type { Task } from '../../src/core/task.ts';
import type { TestResult } from '../../src/core/test-result.ts';
import type { JobView } from '../../src/farm/job-view.ts';

/** Names as people and programs give them, `__proto__` among them. */
export const arbitraryName = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0')),
  fc.constantFrom('FAT', '__proto__', 'constructor', '😀', '\uFEFF', ' '),
);
const text = fc.oneof(fc.constant(''), arbitraryName);
/** No decoder of the doors carries a member of this name: it is left out, and harms nothing. */
const key = arbitraryName.filter((name) => name !== '__proto__');
const record = fc.dictionary(key, text, { maxKeys: 3, noNullPrototype: true });
/** Whole milliseconds, as far as the farm lets a job live. */
export const arbitraryMs = fc.oneof(
  fc.nat(10_000),
  fc.nat(48 * 3_600_000),
  fc.constantFrom(1, 999, 1001, 20 * 86_400_000),
);
const date = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
const json = fc.dictionary(
  key,
  fc
    .jsonValue({ maxDepth: 3 })
    .map((value) => JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'proto')) as unknown),
  { maxKeys: 3, noNullPrototype: true },
);
const bytes = fc.uint8Array({ maxLength: 20 });

const run: fc.Arbitrary<TestRun | null> = fc.oneof(
  fc.constant(null),
  fc.record({
    kind: fc.constant('command' as const),
    argv: fc.array(text, { maxLength: 3 }),
    env: record,
    workingDirectory: text,
  }),
  fc.record({ kind: fc.constant('handler' as const), name: arbitraryName }),
);
const test: fc.Arbitrary<Test> = fc.record({
  testId: arbitraryName,
  run,
  args: fc.option(json),
  timeoutMs: fc.option(arbitraryMs),
});
export const arbitraryWork: fc.Arbitrary<StationWork> = fc.record({
  station: arbitraryName,
  tests: fc.array(test, { maxLength: 3 }),
});
export const arbitraryTask: fc.Arbitrary<Task> = fc.oneof(
  arbitraryWork.map((work) => ({ kind: 'work' as const, work })),
  fc.record({ kind: fc.constant('foreign' as const), typeUrl: arbitraryName, value: bytes }),
);

const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()).map((n) => n + 0);
export const arbitraryResult: fc.Arbitrary<TestResult> = fc.record({
  testId: arbitraryName,
  status: fc.constantFrom('PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED'),
  errorMessage: text,
  measurements: fc.array(
    fc.record({
      name: arbitraryName,
      value: fc.oneof(fc.constant(null), number, text),
      unit: text,
      min: fc.option(number),
      max: fc.option(number),
      verdict: fc.constantFrom('PASSED', 'FAILED', null),
    }),
    { maxLength: 2 },
  ),
  attachments: fc.array(
    fc.record({ name: arbitraryName, sizeBytes: fc.maxSafeNat(), sha256: fc.constant(''), mediaType: text }),
    { maxLength: 2 },
  ),
  startedAt: fc.option(date.map((at) => at.toISOString())),
  durationMs: fc.option(arbitraryMs),
  logsTail: text,
});

export const arbitraryJobView: fc.Arbitrary<JobView> = fc
  .record({
    id: fc.maxSafeNat(),
    instance: text,
    requestId: arbitraryName,
    task: arbitraryTask,
    constraints: fc.array(fc.record({ key: arbitraryName, allowedValues: fc.array(text, { maxLength: 2 }) }), {
      maxLength: 2,
    }),
    deviceId: fc.option(fc.maxSafeNat()),
    serials: record,
    requestedBotId: fc.option(arbitraryName),
    priority: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    route: fc.option(arbitraryName),
    onFailed: fc.constantFrom('stop' as const, 'continue' as const),
    attemptsMax: fc.integer({ min: 1, max: 100 }),
    queueTimeoutMs: fc.option(arbitraryMs),
    executionTimeoutMs: fc.option(arbitraryMs),
    expiresAt: fc.option(date),
    state: fc.constantFrom('QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED'),
    heldBy: fc.constantFrom(null, 'ROUTE', 'GATE'),
    heldReason: fc.option(text),
    attempts: fc.nat(100),
    avoidedBots: fc.array(arbitraryName, { maxLength: 2 }),
    verdict: fc.constantFrom('PASSED', 'FAILED', null),
    failure: fc.constantFrom(null, 'LOST', 'ERROR'),
    leaseCode: fc.option(fc.nat(16)),
    reason: fc.option(text),
    result: fc.option(fc.record({ typeUrl: arbitraryName, value: bytes })),
    botId: fc.option(arbitraryName),
    enqueuedAt: date,
    startedAt: fc.option(date),
    endedAt: fc.option(date),
    results: fc.option(fc.array(arbitraryResult, { maxLength: 2 })),
    resultsLeftOut: fc.nat(5000),
  })
  .map((view) => ({
    ...view,
    station: view.task.kind === 'work' ? view.task.work.station : '',
    reservation: null,
    lease: null,
  }));
