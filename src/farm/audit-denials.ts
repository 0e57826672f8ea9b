/**
 * Denials on their way to the audit. The first of a kind is written at once; more of the same are counted, and written as
 * one record when their window ends. So whoever knocks a thousand times a second fills neither the disk nor the memory.
 */
import type { AuditEntry, AuditFact } from '../core/audit-chain.ts';
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';

export type DenialParts = {
  readonly clock: Clock;
  readonly limits: Limits['audit'];
  /** May fail: what was counted then is counted on. */
  readonly write: (fact: AuditFact) => Promise<unknown>;
};

type Counted = { readonly entry: AuditEntry; readonly why: string; readonly since: Date; count: number };

/** Stands in the place of what differs, when there are more kinds of denials than are told apart. */
const MANY = 'many';
const ANYBODY = { principal: MANY, peer: MANY, instance: MANY, object: MANY, requestId: MANY };

export const createDenials = ({ clock, limits, write }: DenialParts) => {
  const counted = new Map<string, Counted>();
  const stopping = new AbortController();
  let looping: Promise<void> | null = null;

  const record = async (kind: string): Promise<void> => {
    const found = counted.get(kind);
    if (found === undefined) return;
    const { entry, why, since, count } = found;
    if (count === 0) {
      counted.delete(kind);
      return;
    }
    // What comes while this is written begins a new count.
    counted.set(kind, { entry, why, since: clock.now(), count: 0 });
    await write({ kind: 'denied', ...entry, why, count, since: since.toISOString() }).catch(() => {
      const now = counted.get(kind);
      counted.set(kind, { entry, why, since, count: count + (now?.count ?? 0) });
    });
  };

  const recordAll = async (): Promise<void> => {
    for (const kind of [...counted.keys()]) await record(kind);
  };

  /** Runs only while something is counted. */
  const loop = async (): Promise<void> => {
    while (counted.size > 0 && !stopping.signal.aborted) {
      await clock.sleep(limits.denialWindowMs, stopping.signal);
      await recordAll();
    }
    looping = null;
  };

  return {
    count: (entry: AuditEntry, why: string): void => {
      const isKnown = counted.has(kindOf(entry, why));
      const told = isKnown || counted.size < limits.denialKindsMax ? entry : { ...entry, ...ANYBODY };
      const kind = kindOf(told, why);
      const found = counted.get(kind);
      if (found !== undefined) {
        found.count += 1;
        return;
      }
      counted.set(kind, { entry: told, why, since: clock.now(), count: 1 });
      void record(kind);
      looping ??= loop();
    },
    stop: async (): Promise<void> => {
      stopping.abort();
      await looping;
      await recordAll();
    },
  };
};

/** Of one caller, for one reason, of one verb in one instance, whatever object it names. */
const kindOf = ({ principal, verb, instance }: AuditEntry, why: string): string =>
  JSON.stringify([principal, verb, instance, why]);
