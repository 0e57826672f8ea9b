/**
 * The writer of this replica's audit chain. Records are sealed when they are flushed, all that wait in one commit: what is
 * not audited pays nothing, and what is audited waits for one commit that it shares.
 */
import { createHash } from 'node:crypto';
import {
  type AuditEntry,
  type AuditFact,
  type AuditRecord,
  type ChainHead,
  type Digest,
  newChain,
  sealRecord,
} from '../core/audit-chain.ts';
import { Refusal } from '../core/refusal.ts';
import { insertAuditRecords, readAuditHeads, readLastConfiguration } from '../store/audit.ts';
import { createDenials } from './audit-denials.ts';
import type { FarmSeams } from './farm.ts';
import { tooBusy } from './batcher.ts';

export type Audit = {
  /**
   * Resolves when the record is kept; then the thing may be done. What it resolves with is told how that went: `done`,
   * the reason of a refusal, or `failed`.
   * @throws Refusal UNAVAILABLE when too many records wait, or an outage of the database.
   */
  readonly asked: (entry: AuditEntry) => Promise<(outcome: string) => void>;
  /** Denials of one kind are gathered: a storm of them becomes a few records. Never throws, never waits. */
  readonly denied: (entry: AuditEntry, why: string) => void;
};

export type AuditBook = Audit & {
  /** Begins the chain. @throws when the database cannot take it: nobody is let in unrecorded. */
  readonly start: (replica: Started) => Promise<void>;
  /** Ends the chain in good order. */
  readonly stop: () => Promise<void>;
};

/** @param settings the configuration as people are shown it. */
export type Started = { readonly version: string; readonly settings: string };

export const sha256: Digest = (text) => createHash('sha256').update(text).digest('hex');

/** Chains that a new one vouches for: those written to last. */
const HEADS_MAX = 64;

export type AuditSeams = Pick<FarmSeams, 'replica' | 'pool' | 'clock' | 'log' | 'limits'>;

export const createAudit = (seams: AuditSeams): AuditBook => {
  const { pool, clock, limits, log } = seams;
  const chain = createChainWriter(seams);
  const goesWithNext = (error: unknown): void => {
    log.warn({ err: error }, 'a record of the audit could not be written yet; it goes with the next one');
  };
  // What the chain took in is not to be counted again, whatever its flush met.
  const deny = async (fact: AuditFact): Promise<void> => {
    await chain.add(fact).catch((error: unknown) => {
      if (error instanceof Refusal) throw error;
      goesWithNext(error);
    });
  };
  const denials = createDenials({ clock, limits: limits.audit, write: deny });
  return {
    asked: async (entry) => {
      const { seq } = await chain.add({ kind: 'asked', ...entry });
      return (outcome) => {
        chain.add({ kind: 'ended', asked: seq, outcome }).catch(goesWithNext);
      };
    },
    denied: (entry, why) => {
      denials.count(entry, why);
    },
    start: async ({ version, settings }) => {
      const configuration = sha256(settings);
      const isKnown = (await readLastConfiguration(pool)) === configuration;
      const heads = await readAuditHeads(pool, HEADS_MAX);
      await chain.add({ kind: 'started', version, configuration, settings: isKnown ? null : settings, heads });
    },
    stop: async () => {
      await denials.stop();
      await chain.settled();
      await chain.add({ kind: 'stopped' });
    },
  };
};

type Waiting = {
  readonly fact: AuditFact;
  readonly at: Date;
  readonly resolve: (record: AuditRecord) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Adds facts in the order in which they are given. A record that was sealed stays in the chain, whatever its flush met:
 * it may be in the database, with only the answer lost.
 */
const createChainWriter = ({ replica, pool, clock, limits }: AuditSeams) => {
  const { waitingMax, flushRowsMax } = limits.audit;
  let head: ChainHead = newChain(replica);
  let waiting: Waiting[] = [];
  // Sealed, and not known to be in the database: they go again, and first. Those that are there already stay as they are.
  let unsure: readonly AuditRecord[] = [];
  let flushing: Promise<void> | null = null;

  const flush = async (batch: readonly Waiting[]): Promise<void> => {
    const sealed = batch.map(({ fact, at }) => {
      const record = sealRecord(head, fact, at, sha256);
      head = record;
      return record;
    });
    unsure = [...unsure, ...sealed];
    try {
      await insertAuditRecords(pool, unsure);
    } catch (error) {
      closeUnbegun(sealed, batch);
      for (const { reject } of batch) reject(error);
      return;
    }
    unsure = [];
    // As many as were given, in their order.
    sealed.forEach((record, index) => batch[index]?.resolve(record));
  };

  /**
   * Whoever asked is turned away, and the chain says so of what it keeps. Tried at once, and once: where that fails too,
   * it goes with the next. Past `waitingMax` these are at most as many as there were asked.
   */
  const closeUnbegun = (sealed: readonly AuditRecord[], batch: readonly Waiting[]): void => {
    for (const [index, { seq }] of sealed.entries()) {
      if (batch[index]?.fact.kind !== 'asked') continue;
      const fact: AuditFact = { kind: 'ended', asked: seq, outcome: 'not begun' };
      waiting.push({ fact, at: clock.now(), resolve: () => undefined, reject: () => undefined });
    }
  };

  const flushAll = async (): Promise<void> => {
    // What else is added in this turn of the loop shares the first commit.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting.slice(0, flushRowsMax);
      waiting = waiting.slice(flushRowsMax);
      await flush(batch);
    }
    flushing = null;
  };

  return {
    /** Resolves when nothing waits: after `stopped` nothing may follow. */
    settled: async (): Promise<void> => {
      while (flushing !== null) await flushing;
    },
    add: (fact: AuditFact): Promise<AuditRecord> =>
      new Promise((resolve, reject) => {
        if (waiting.length + unsure.length >= waitingMax) {
          reject(tooBusy('records of the audit', waitingMax));
          return;
        }
        waiting.push({ fact, at: clock.now(), resolve, reject });
        flushing ??= flushAll();
      }),
  };
};
