/** What DUTs tell by themselves: their calls, and their logs. */
import { callOfDut, type OwedCall } from '../../../src/core/shopfloor-call.ts';
import type { ToldEvent } from '../../../src/core/testlog.ts';
import { takeShopfloorCall } from '../../../src/farm/take-shopfloor-call.ts';
import { takeTestlog } from '../../../src/farm/take-testlog.ts';
import { testResult, type TestHome } from '../../support/bot-calls.ts';
import { INSTANCE } from '../../support/rows.ts';
import type { Pair } from '../cross.ts';
import { callsAre, resultsAre } from '../words.ts';

const call = (home: TestHome, said: Readonly<Record<string, string>>, owed: OwedCall): Promise<string> =>
  takeShopfloorCall(home, { instance: INSTANCE, call: owed, said, peer: '10.0.0.1' }).then(() => 'told');

const ended = (uuid: string, dut: string, testName: string): ToldEvent => ({
  ...{ type: 'station.test_run', uuid, seq: null, dutTime: 1_700_000_000, testRunId: uuid, event: {}, attachments: {} },
  serials: [{ name: 'serials.mlb_serial_number', value: dut }],
  run: {
    ...{ testRunId: uuid, testName, testType: 'probe', status: 'PASS', startedAt: 1, endedAt: 2, durationS: 1 },
    result: testResult(testName, 'PASSED'),
  },
});

const log = (home: TestHome, ...events: ToldEvent[]): Promise<string> =>
  takeTestlog(home, { instance: INSTANCE, nodeId: null, peer: '10.0.0.1', events, bad: [] }).then(
    ({ kept }) => `kept ${String(kept)}`,
  );

const BOARD = { 'serials.mlb_serial_number': 'U1' };
const start = (home: TestHome): Promise<string> => call(home, BOARD, callOfDut('NotifyStart', { station: 'SMT' }));

export const dutPairs: readonly Pair[] = [
  {
    name: 'a log that names a new DUT as well / a call of the DUT, which has all the serials that it may',
    limits: { devices: { serialsMax: 2 } },
    ready: async ({ a, b, c, read }) => {
      await start(c);
      await call(c, { ...BOARD, 'serials.serial_number': 'S1' }, callOfDut('NotifyEvent', { event: 'HelloWorld' }));
      const passed = callOfDut('UpdateTestResult', { testId: 'SMT.B', status: 'PASSED' });
      return {
        a: () => log(a, ended('u-1', 'U9', 'main:SMT.A'), ended('u-2', 'U1', 'main:SMT.A')),
        b: () => call(b, { ...BOARD, 'serials.other_number': 'O1' }, passed),
        stands: async () => `${await resultsAre(read)}; ${await callsAre(read)}`,
      };
    },
    ends: [['kept 2', 'told', 'SMT.B, main:SMT.A; NotifyStart OWED, HelloWorld OWED, SMT.B OWED']],
  },
  {
    name: 'a log / the same log, told again by another road',
    ready: async ({ a, b, c, read }) => {
      await start(c);
      const events = [ended('u-1', 'U9', 'main:SMT.A'), ended('u-2', 'U1', 'main:SMT.A')] as const;
      return {
        a: () => log(a, ...events),
        b: () => log(b, ...events.toReversed()),
        stands: () => resultsAre(read),
      };
    },
    ends: [
      ['kept 2', 'kept 0', 'main:SMT.A'],
      ['kept 0', 'kept 2', 'main:SMT.A'],
    ],
  },
];
