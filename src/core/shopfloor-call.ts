/** The bridge's translation: which calls a committed fact owes, in lane order (ARCHITECTURE, The bridge). */
import type { StationRule } from './line.ts';
import type { TestStatus, Verdict } from './verdict.ts';

export type ShopfloorMethod = 'NotifyStart' | 'UpdateTestResult' | 'NotifyEnd' | 'NotifyEvent';

/** A call as a fact. Its body is rendered from the device record when it first reaches its lane's head. */
export type OwedCall = {
  readonly method: ShopfloorMethod;
  readonly station: string;
  readonly testId: string | null;
  readonly status: TestStatus | null;
  readonly event: string | null;
  /** Extra words of an UpdateTestResult: `error_message`, `measurements`. Null: none. */
  readonly details: Readonly<Record<string, unknown>> | null;
  /** Its answer decides whether the job may run. */
  readonly gate: boolean;
};

const blank = { testId: null, status: null, event: null, details: null, gate: false } as const;

/** An attempt has started. A gated one told the shopfloor before. */
export const callsOfStart = (station: string, gated: boolean): readonly OwedCall[] =>
  gated ? [] : [{ ...blank, method: 'NotifyStart', station }];

/** A gated job could run: ask for leave. */
export const callOfGate = (station: string): OwedCall => ({ ...blank, method: 'NotifyStart', station, gate: true });

export const callOfResult = (
  station: string,
  result: { readonly testId: string; readonly status: TestStatus; readonly details: OwedCall['details'] },
): OwedCall => ({
  ...blank,
  method: 'UpdateTestResult',
  station,
  testId: result.testId,
  status: result.status,
  details: result.details,
});

/**
 * An attempt has ended; its results were owed before. Partners take an end as leave to move the unit on, so only a pass
 * sends one, unless the line says otherwise; anything else closes with the station itself as a FAILED test.
 * @param verdict null: no verdict was reached (error, loss, cancel).
 */
export const callsOfEnd = (
  rule: StationRule,
  station: string,
  verdict: Verdict | null,
  why: string,
): readonly OwedCall[] => {
  const end: OwedCall = { ...blank, method: 'NotifyEnd', station };
  if (verdict === 'PASSED') return [end];
  const failed = callOfResult(station, { testId: station, status: 'FAILED', details: { error_message: why } });
  return rule.notifyEnd === 'always' ? [failed, end] : [failed];
};

/** A bot's event that the line maps to one of the shopfloor's. */
export const callOfEvent = (station: string, event: string): OwedCall => ({
  ...blank,
  method: 'NotifyEvent',
  station,
  event,
});

/** A call that a DUT makes by itself, told on as it was made. */
export const callOfDut = (
  method: ShopfloorMethod,
  said: Partial<Pick<OwedCall, 'station' | 'testId' | 'status' | 'event' | 'details'>>,
): OwedCall => ({ ...blank, station: '', ...said, method });
