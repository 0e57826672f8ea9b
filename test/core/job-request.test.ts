import { describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/core/job-fingerprint.ts';
import { checkJobRequest, type JobRequest } from '../../src/core/job-request.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { Refusal } from '../../src/core/refusal.ts';
import type { Test } from '../../src/core/station-work.ts';
import { testLine, testRule } from '../support/farm.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';

const stations = new Map([
  ['FAT', testRule({ station: 'FAT' })],
  ['GRT', testRule({ station: 'GRT', mode: 'gate' })],
]);
const line = testLine({ shopfloorUrl: 'http://127.0.0.1:8090/', stations });

const withTest = (changes: Partial<Test>): Partial<JobRequest> => ({
  task: {
    kind: 'work',
    work: { station: 'FAT', tests: [{ testId: 'a', run: null, args: null, timeoutMs: null, ...changes }] },
  },
});
const foreign = (typeUrl: string, bytes = 1): Partial<JobRequest> => ({
  station: '',
  task: { kind: 'foreign', typeUrl, value: new Uint8Array(bytes) },
});
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`);
const constraint = (key: string, allowedValues: readonly string[]): Partial<JobRequest> => ({
  constraints: [{ key, allowedValues }],
});
const command = (argv: readonly string[]): Partial<Test> => ({
  run: { kind: 'command', argv, env: {}, workingDirectory: '' },
});

describe('a job request', () => {
  it.each<[string, string, Partial<JobRequest>]>([
    ['a station that the line does not declare', 'STATION_UNKNOWN', { station: 'SMT' }],
    ['a work for another station', 'STATION_MISMATCH', { task: { kind: 'work', work: testWork('GRT') } }],
    ['a work without tests', 'NO_TESTS', { task: { kind: 'work', work: testWork('FAT', []) } }],
    ['too many tests', 'TOO_MANY_TESTS', { task: { kind: 'work', work: testWork('FAT', many(1001)) } }],
    ['a test named twice', 'DUPLICATE_TEST', { task: { kind: 'work', work: testWork('FAT', ['a', 'a']) } }],
    ['a test without an id', 'NAME_EMPTY', { task: { kind: 'work', work: testWork('FAT', ['']) } }],
    ['a command without a program', 'COMMAND_EMPTY', withTest(command([]))],
    ['a command with U+0000', 'TEXT_NOT_STORABLE', withTest(command(['sh', 'a\0b']))],
    ['arguments with U+0000 deep inside', 'TEXT_NOT_STORABLE', withTest({ args: { a: [{ b: '\0' }] } })],
    ['half a surrogate pair', 'TEXT_NOT_STORABLE', withTest({ args: { a: '\ud800' } })],
    ['a test timeout of nothing', 'DURATION_OUT_OF_RANGE', withTest({ timeoutMs: 0 })],
    [
      'a StationWork that was not decoded',
      'PAYLOAD_NOT_DECODED',
      foreign('type.googleapis.com/stationgrid.v1.StationWork'),
    ],
    ['a foreign payload without a type', 'NAME_EMPTY', foreign('')],
    ['a foreign payload for a station', 'STATION_OF_FOREIGN_WORK', { ...foreign('x/y.Z'), station: 'FAT' }],
    ['a payload that is too big', 'PAYLOAD_TOO_BIG', foreign('x/y.Z', 1024 * 1024 + 1)],
    ['a constraint without a key', 'CONSTRAINT_WITHOUT_KEY', constraint('label:', ['x'])],
    ['a constraint without values', 'CONSTRAINT_WITHOUT_VALUES', constraint('pool', [])],
    ['too many values', 'TOO_MANY_VALUES', constraint('pool', many(65))],
    [
      'too many constraints',
      'TOO_MANY_CONSTRAINTS',
      { constraints: many(65).map((key) => ({ key, allowedValues: ['x'] })) },
    ],
    [
      'constraints that are too long together',
      'CONSTRAINTS_TOO_LONG',
      constraint('pool', Array(17).fill('x'.repeat(4096))),
    ],
    ['an oversized value', 'TEXT_TOO_LONG', constraint('pool', ['x'.repeat(4097)])],
    ['a serial of a strange name', 'SERIAL_NAME', { serials: { imei: '1' } }],
    ['an empty serial', 'NAME_EMPTY', { serials: mlb('') }],
    ['a gated station without a DUT', 'GATE_WITHOUT_DUT', { station: 'GRT' }],
    ['a route without a DUT', 'ROUTE_WITHOUT_DUT', { route: 'main' }],
    ['a priority out of range', 'PRIORITY_OUT_OF_RANGE', { priority: -1_000_001 }],
    ['no attempts', 'ATTEMPTS_OUT_OF_RANGE', { attemptsMax: 0 }],
    ['a queue timeout out of range', 'DURATION_OUT_OF_RANGE', { queueTimeoutMs: 1e12 }],
    ['a negative execution timeout', 'DURATION_OUT_OF_RANGE', { executionTimeoutMs: -1 }],
    ['an expiry that is no date', 'TIME_OUT_OF_RANGE', { expiresAt: new Date(Number.NaN) }],
    ['an oversized request id', 'TEXT_TOO_LONG', { requestId: 'x'.repeat(257) }],
  ])('is refused with %s', (_what, reason, changes) => {
    const check = () => checkJobRequest(jobRequest(changes), { limits: defaultLimits, line });
    expect(check).toThrow(Refusal);
    expect(check).toThrow(expect.objectContaining({ kind: 'INVALID', reason }));
  });

  it('is taken when nothing is wrong with it, with the rule of its station', () => {
    const request = jobRequest({ station: 'GRT', serials: { 'label:serials.serial_number': 'A1' }, route: 'main' });
    expect(checkJobRequest(request, { limits: defaultLimits, line })).toBe(stations.get('GRT'));
  });

  it('may be foreign work on a line that declares its stations', () => {
    expect(checkJobRequest(jobRequest(foreign('x/y.Z')), { limits: defaultLimits, line })).toBe(line.anyStation);
  });

  it('needs no DUT at a gate where there is no shopfloor to ask', () => {
    const quiet = testLine({ stations });
    expect(checkJobRequest(jobRequest({ station: 'GRT' }), { limits: defaultLimits, line: quiet }).mode).toBe('gate');
  });
});

describe('a fingerprint', () => {
  it('does not see the request id nor the order of keys', () => {
    const a = jobRequest({ requestId: 'a', serials: { 'serials.a': '1', 'serials.b': '2' } });
    const b = jobRequest({ requestId: 'b', serials: { 'serials.b': '2', 'serials.a': '1' } });
    expect(fingerprintOf(a)).toBe(fingerprintOf(b));
  });

  it('sees any other difference', () => {
    const of = (changes: Partial<JobRequest>): string => fingerprintOf(jobRequest(changes));
    const differing = [{}, { priority: 1 }, mlb('1'), foreign('x/y.Z'), foreign('x/y.Z', 2), withTest({ testId: 'b' })];
    const prints = differing.map((changes) =>
      of('serials.mlb_serial_number' in changes ? { serials: changes } : changes),
    );
    expect(new Set(prints).size).toBe(differing.length);
  });
});
