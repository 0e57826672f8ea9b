/** Plays the bridge and the shopfloor at once: takes the next call of each lane and answers it as the test says. */
import type { SendOutcome } from '../../src/core/send-outcome.ts';
import { claimCalls } from '../../src/farm/claim-calls.ts';
import type { Farm } from '../../src/farm/farm.ts';
import type { CallToSend } from '../../src/farm/journal-heads.ts';
import { createCallRecorder, type Recorded } from '../../src/farm/record-call.ts';

/** An answer with DeviceData, a fault, or an outage. */
export type Said =
  | { readonly deviceData: Readonly<Record<string, unknown>>; readonly action?: string }
  | { readonly fault: string }
  | { readonly outage: Extract<SendOutcome, 'refused' | 'ambiguous'> };

export interface Answered {
  readonly call: CallToSend;
  readonly recorded: Recorded;
}

/** Answers one call of every due lane; the lanes are let go again. */
export async function answerDue(farm: Farm, say: (call: CallToSend) => Said): Promise<readonly Answered[]> {
  const render = (call: { readonly method: string; readonly station: string }, data: object): string =>
    `${call.method} ${call.station} ${JSON.stringify(data)}`;
  const calls = await claimCalls(farm, render, () => farm.limits.lanes.concurrentMax);
  const record = createCallRecorder(farm, render);
  return Promise.all(
    calls.map(async (call) => {
      const end = { call, code: null, words: null, reply: null, upForMs: Infinity, goesOn: false };
      const recorded = await record({ ...end, ...ended(say(call)) }, new AbortController().signal);
      return { call, recorded };
    }),
  );
}

function ended(said: Said) {
  if ('fault' in said) return { outcome: 'fault', code: -1001, words: `fault -1001: ${said.fault}` } as const;
  if ('outage' in said) return { outcome: said.outage, words: 'away' } as const;
  const { deviceData, action = null } = said;
  return { outcome: 'answered', reply: { deviceData, dropped: [], action, answer: deviceData } } as const;
}

export const YES: Said = { deviceData: {} };
