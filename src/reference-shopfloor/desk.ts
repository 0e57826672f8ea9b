/** Where calls are taken: checked, met by a fault if one is due, applied once, journalled, answered. Knows no HTTP. */
import type { Clock } from '../core/clock.ts';
import type { XmlRpcFault, XmlRpcResult, XmlRpcValue } from '../wire/xml-rpc.ts';
import type { FaultRule, FaultRules } from './fault-rules.ts';
import type { Journal, JournalEntry, JournalLine } from './journal.ts';
import { createMemory } from './memory.ts';
import type { Replies } from './replies.ts';
import { assignedSerial, replyTo } from './replies.ts';
import type { ShopfloorCall } from './shopfloor-method.ts';
import { FAULT_CODE, serialsOf, toShopfloorCall } from './shopfloor-method.ts';

/** A call as it came. */
export interface IncomingCall {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
  /** The `Idempotency-Key`; null without one, and then nothing tells a repeat from a new call. */
  readonly key: string | null;
  readonly bodySha256: string;
}

/** What goes back to the caller, in the words that it used: a value, a fault, something else; or one of two silences. */
export type Answer =
  | XmlRpcResult
  | XmlRpcFault
  | { readonly kind: 'garbage'; readonly text: string }
  | { readonly kind: 'hang-up' }
  /** The connection is reset; above 0 ms, the listener closes for so long. */
  | { readonly kind: 'reset'; readonly refuseForMs: number };

export interface Desk {
  /** Throws only where the journal cannot be written; the call was then not applied. */
  take(incoming: IncomingCall): Promise<Answer>;
}

export interface DeskOptions {
  readonly journal: Journal;
  readonly rules: FaultRules;
  readonly replies: () => Replies;
  readonly clock: Clock;
  /** Whether a repeated key is answered without a second effect. */
  readonly remembersKeys: boolean;
  /** Cuts slow answers short: those calls are not applied. */
  readonly stopping: AbortSignal;
}

interface SaidFault {
  readonly code: number;
  readonly text: string;
}

const KEY_REUSED: SaidFault = {
  code: -32603,
  text: 'this Idempotency-Key was used with another body; send a new key with a new call',
};

/** @param history the journal so far: its keys and serials are known again. */
export function createDesk(options: DeskOptions, history: Iterable<JournalLine>): Desk {
  const { journal, rules, clock, remembersKeys } = options;
  const memory = createMemory({ remembersKeys });
  for (const line of history) if (line.outcome === 'applied') memory.add(line);
  /** Keys being worked on: a repeat waits for the first to end. */
  const underWay = new Map<string, Promise<Answer>>();

  async function work(incoming: IncomingCall): Promise<Answer> {
    const checked = toShopfloorCall(incoming.method, incoming.params);
    if (checked.kind === 'invalid') {
      const subject: Subject = { method: incoming.method.slice(0, 64), ...NO_SUBJECT };
      return fault(incoming, subject, checked);
    }
    const { call } = checked;
    const replies = options.replies();
    const serials = { ...serialsOf(call.deviceData ?? {}), ...givenSerials(call, replies) };
    const device = memory.devices.find(serials);
    const subject: Subject = { ...call, device, serials };
    const appliedAs = memory.appliedAs(incoming.key);
    const station = call.station ?? (device === null ? null : memory.devices.stationOf(device));
    const rule = rules.choose({ method: call.method, station, device, applied: appliedAs !== null });

    if (rule?.kind === 'refuse') return { kind: 'reset', refuseForMs: rule.ms };
    if (rule?.kind === 'slow') {
      await clock.sleep(rule.ms, options.stopping);
      if (options.stopping.aborted) return { kind: 'hang-up' };
    }
    if (rule?.kind === 'fault') return fault(incoming, subject, rule);
    if (appliedAs !== null && appliedAs !== incoming.bodySha256) return fault(incoming, subject, KEY_REUSED);
    const entry = entryOf(incoming, subject, appliedAs === null ? 'applied' : 'repeated', null);
    await journal.append(entry);
    if (appliedAs === null) memory.add(entry);
    return spoil(rule, replyTo(call, replies));
  }

  async function fault(incoming: IncomingCall, subject: Subject, said: SaidFault): Promise<Answer> {
    const outcome = said === KEY_REUSED ? 'key-reused' : 'fault';
    await journal.append(entryOf(incoming, subject, outcome, said.code));
    return { kind: 'fault', code: said.code, text: said.text };
  }

  function entryOf(
    { key, bodySha256 }: IncomingCall,
    { method, device, serials, station, testId, status, event }: Subject,
    outcome: JournalEntry['outcome'],
    faultCode: number | null,
  ): JournalEntry {
    const at = clock.now().toISOString();
    return { at, method, key, device, serials, station, testId, status, event, outcome, faultCode, bodySha256 };
  }

  return {
    async take(incoming) {
      const { key } = incoming;
      if (key === null || !remembersKeys) return work(incoming);
      // The end of the one before is awaited however it ends; its own caller hears of a failure.
      for (let first = underWay.get(key); first !== undefined; first = underWay.get(key)) await first.catch(() => null);
      const working = work(incoming);
      underWay.set(key, working);
      try {
        return await working;
      } finally {
        underWay.delete(key);
      }
    },
  };
}

/** The part of a journal line that says what the call was about. */
type Subject = Pick<JournalEntry, 'method' | 'device' | 'serials' | 'station' | 'testId' | 'status' | 'event'>;

const NO_SUBJECT = { device: null, serials: {}, station: null, testId: null, status: null, event: null } as const;

/** A serial that the answer gives belongs to the device from then on. */
function givenSerials(call: ShopfloorCall, replies: Replies): Readonly<Record<string, string>> {
  const given = Object.entries(assignedSerial(call, replies.assignSerialAt));
  return Object.fromEntries(given.map(([key, serial]) => [key.slice('serials.'.length), serial]));
}

function spoil(rule: FaultRule | null, value: XmlRpcValue): Answer {
  if (rule?.kind === 'drop-after-applying') return { kind: 'hang-up' };
  return rule?.kind === 'garbage' ? { kind: 'garbage', text: rule.text } : { kind: 'value', value };
}

/** The answer to a body that is no call at all; there is nothing to journal about it. */
export function answerUnreadable(why: string): XmlRpcFault {
  return { kind: 'fault', code: FAULT_CODE.unreadable, text: `the call cannot be read: ${why}` };
}
