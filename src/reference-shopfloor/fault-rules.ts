/** Faults on demand: which calls the shopfloor treats badly, and how. */
import { z } from 'zod';

const RULES_MAX = 1_000;
/** Longer than any patience, short enough to end: an hour. */
const SLOW_MAX_MS = 3_600_000;

/** Which calls a rule meets: all that fit every member given. */
const target = {
  method: z.string().optional(),
  /** The station of the call, or of the unit's last start where the method names none. */
  station: z.string().optional(),
  /** The device key, as the journal shows it. */
  device: z.string().optional(),
  /** The share of the fitting calls that is met; absent: all of them. */
  probability: z.number().min(0).max(1).optional(),
  /** Only this many calls are met, then the rule is used up; absent: no end. */
  next: z.int().positive().optional(),
};

export const faultRuleSchema = z.discriminatedUnion('kind', [
  /**
   * The connection is reset and the call forgotten. With `ms` above 0 the whole shopfloor also stops listening for
   * that long, so that the next calls are refused.
   */
  z.strictObject({ ...target, kind: z.literal('refuse'), ms: z.int().min(0).max(SLOW_MAX_MS).default(0) }),
  /** Waits, then works as usual, whether or not the caller still waits. */
  z.strictObject({ ...target, kind: z.literal('slow'), ms: z.int().min(0).max(SLOW_MAX_MS) }),
  /** Answers a fault and applies nothing. A call that was applied before is not met. */
  z.strictObject({ ...target, kind: z.literal('fault'), code: z.int().default(-1001), text: z.string() }),
  /** Applies the call, then answers this instead of XML-RPC. */
  z.strictObject({ ...target, kind: z.literal('garbage'), text: z.string().default('<<< this is no XML-RPC >>>') }),
  /** Applies the call, then closes the connection without an answer. */
  z.strictObject({ ...target, kind: z.literal('drop-after-applying') }),
]);
export const faultRulesSchema = z.array(faultRuleSchema).max(RULES_MAX);

export type FaultRule = z.output<typeof faultRuleSchema>;
export type FaultRuleInput = z.input<typeof faultRuleSchema>;

export interface FaultTarget {
  readonly method: string;
  readonly station: string | null;
  readonly device: string | null;
  /** Whether the call's key was applied before. */
  readonly applied: boolean;
}

export interface FaultRules {
  /** The first rule that meets the call, used once; null for none. */
  choose(target: FaultTarget): FaultRule | null;
  list(): readonly FaultRule[];
  replace(rules: readonly FaultRule[]): void;
}

/** @param random 0..1, seeded, so that a run can be had again. */
export function createFaultRules(initial: readonly FaultRule[], random: () => number): FaultRules {
  let rules: FaultRule[] = [...initial];
  return {
    choose(call) {
      const rule = rules.find((candidate) => meets(candidate, call) && random() < (candidate.probability ?? 1));
      if (rule?.next !== undefined) {
        const left = rule.next - 1;
        rules = rules.flatMap((other) => (other !== rule ? [other] : left > 0 ? [{ ...rule, next: left }] : []));
      }
      return rule ?? null;
    },
    list: () => rules,
    replace(next) {
      rules = [...next];
    },
  };
}

function meets(rule: FaultRule, call: FaultTarget): boolean {
  if (rule.kind === 'fault' && call.applied) return false;
  return (
    (rule.method ?? call.method) === call.method &&
    (rule.station ?? call.station) === call.station &&
    (rule.device ?? call.device) === call.device
  );
}

/** A small seeded generator (mulberry32): the same seed gives the same faults. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
