/** What must be known of a job, its DUT and the bots to say why it is not running. */
import type { HeldBy, JobState } from './job.ts';
import type { OpenLeaseState } from './lease.ts';
import type { Constraint } from './match.ts';

export type NotRunning =
  | 'RUNNABLE'
  | 'HELD'
  | 'NO_SUCH_BOT'
  | 'ALL_BUSY'
  | 'NOT_READY'
  | 'DRAINED'
  | 'DUT_BUSY'
  | 'DUT_ABSENT'
  | 'DUT_SETTLING'
  | 'DUT_ASKED'
  | 'BOT_AVOIDED'
  | 'RUNNING'
  | 'ENDED';

export type ExplainFacts = {
  readonly job: {
    readonly state: JobState;
    readonly heldBy: HeldBy | null;
    readonly heldReason: string | null;
    readonly reason: string | null;
    readonly constraints: readonly Constraint[];
    readonly requestedBotId: string | null;
    readonly avoidedBots: readonly string[];
    readonly botId: string | null;
    readonly lease: { readonly state: OpenLeaseState } | null;
  };
  /** The DUT it is pinned to; null: to none. */
  readonly dut: DutFacts | null;
  /** Live sessions of the instance. */
  readonly connected: number;
  /** Whether the bot it asks for has a live session; false when it asks for none. */
  readonly requestedIsConnected: boolean;
  /** Those that have the properties wanted, are the bot asked for, and declare the DUT, as far as the job says. */
  readonly sessions: readonly SessionFacts[];
};

export type DutFacts = {
  readonly id: number;
  readonly heldReason: string | null;
  readonly settlingReason: string | null;
  readonly leasedTo: { readonly jobId: number; readonly botId: string } | null;
  /** The shopfloor has yet to answer a question whose job has ended. */
  readonly asked: boolean;
  /** Some live session declares it. */
  readonly declared: boolean;
};

export type SessionFacts = {
  readonly botId: string;
  readonly status: number;
  /** False: it is past its time to live, though an ACTIVE lease may still wait for it. */
  readonly isHeard: boolean;
  readonly capacity: number;
  readonly openLeases: number;
  readonly quarantineReason: string | null;
  readonly drainNote: string | null;
  /** Why its primary DUT may get no lease now, in words; null: it may, or it has none. */
  readonly dutBlock: string | null;
};

/** What stands between a bot and the job. */
export type Bar = {
  readonly kind: 'avoided' | 'drained' | 'notReady' | 'busy' | 'dut';
  readonly words: string;
};

export type Explanation = {
  readonly code: NotRunning;
  readonly words: string;
  readonly candidates: readonly { readonly botId: string; readonly whyNot: string }[];
};
