/**
 * Denials on their way to the audit. The first of a kind is written at once; more of the same are counted, and written as
 * one record when their window ends. So whoever knocks a thousand times a second fills neither the disk nor the memory.
 */
import type { AuditEntry, AuditFact } from '../core/audit-chain.ts';
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';
import { createDenialKinds, type Denial, type DenialKind } from './denial-kinds.ts';

export type DenialParts = {
  readonly clock: Clock;
  readonly limits: Limits['audit'];
  /** Rejects when the record was not taken in: what was counted then is counted on. */
  readonly write: (fact: AuditFact) => Promise<unknown>;
};

/** `first` and `since` are of what is counted now; `writing` counts records under way; `isTold`: the first one went out. */
type Counted = { first: Denial; since: Date; count: number; writing: number; isTold: boolean };

export const createDenials = ({ clock, limits, write }: DenialParts) => {
  const kinds = createDenialKinds<Counted>(limits.denialKindsMax);
  const stopping = new AbortController();
  let looping: Promise<void> | null = null;

  const record = async (kind: DenialKind & Counted): Promise<void> => {
    const { first, since, count } = kind;
    if (count === 0) {
      if (kind.writing === 0) kinds.drop(kind);
      return;
    }
    // What comes while this is written begins a new count.
    kind.count = 0;
    kind.since = clock.now();
    kind.writing += 1;
    // One alone is told as it came, whatever it is counted with.
    const { entry, why } = count === 1 ? first : kind.together(first);
    await write({ kind: 'denied', ...entry, why, count, since: since.toISOString() }).catch(() => {
      kind.first = first;
      kind.since = since;
      kind.count += count;
    });
    kind.writing -= 1;
  };

  const recordAll = async (): Promise<void> => {
    for (const kind of kinds.all()) await record(kind);
  };

  /** Runs only while something is counted. */
  const loop = async (): Promise<void> => {
    while (kinds.all().length > 0 && !stopping.signal.aborted) {
      await clock.sleep(limits.denialWindowMs, stopping.signal);
      await recordAll();
    }
    looping = null;
  };

  return {
    count: (entry: AuditEntry, why: string): void => {
      const denial: Denial = { entry, why };
      const begin = (): Counted => ({ first: denial, since: clock.now(), count: 0, writing: 0, isTold: false });
      const kind = kinds.of(denial, begin);
      if (kind.count === 0) kind.first = denial;
      kind.count += 1;
      if (kind.isTold) return;
      kind.isTold = true;
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
