import { describe, expect, it } from 'vitest';
import { type Line, ruleOf, type StationRule } from '../../src/core/line.ts';
import { callsOfEnd, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { testLine, testRule } from '../support/farm.ts';

const shown = (calls: ReturnType<typeof callsOfEnd>) =>
  calls.map(({ method, testId, status, details }) => [method, testId, status, details]);
const failed = (why: string) => ['UpdateTestResult', 'FAT', 'FAILED', { error_message: why }];
const end = ['NotifyEnd', null, null, null];

describe('the calls of an attempt', () => {
  it('begin with NotifyStart, unless the gate sent it', () => {
    expect(callsOfStart('FAT', false)).toMatchObject([{ method: 'NotifyStart', station: 'FAT', gate: false }]);
    expect(callsOfStart('FAT', true)).toEqual([]);
  });

  it.each<[StationRule['notifyEnd'], 'PASSED' | 'FAILED' | null, unknown[]]>([
    ['passed', 'PASSED', [end]],
    ['passed', 'FAILED', [failed('why')]],
    ['passed', null, [failed('why')]],
    ['always', 'PASSED', [end]],
    ['always', 'FAILED', [failed('why'), end]],
    ['always', null, [failed('why'), end]],
  ])('where the line wants NotifyEnd %s, end after %s by %j', (notifyEnd, verdict, calls) => {
    expect(shown(callsOfEnd(testRule({ notifyEnd }), 'FAT', verdict, 'why'))).toEqual(calls);
  });
});

describe('the rule of a station', () => {
  const fat = testRule({ station: 'FAT' });
  const strict: Line = testLine({ stations: new Map([['FAT', fat]]) });
  it.each<[string, Line, string, boolean]>([
    ['declared', strict, 'FAT', true],
    ['not declared, where the line declares its stations', strict, 'SMT', false],
    ['foreign work, which has no station', strict, '', true],
    ['any, where the line declares none', testLine(), 'SMT', true],
  ])('%s', (_name, line, station, has) => {
    expect(ruleOf(line, station) !== null).toBe(has);
  });
});
