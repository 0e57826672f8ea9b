/** What a bot says in one call, free of any wire; and what its lease list means, event by event. */
import { handsBack } from './bot-session.ts';
import { completionEvent, type LeaseEvent, leaseTable, type OpenLeaseState } from './lease.ts';
import type { TestResult } from './test-result.ts';

/** What came with a COMPLETED lease. */
export type Completion = {
  /** google.rpc.Code of the lease, not of the tests. */
  readonly code: number;
  readonly message: string;
  readonly results: readonly TestResult[];
  /** Why results that came with it could not be read, so that none of them is known; null: they could, or none came. */
  readonly unread: string | null;
  /** The bot's answer as it came, for the submitter; null: none. */
  readonly result: { readonly typeUrl: string; readonly value: Uint8Array } | null;
};

export type ReportedLease =
  | { readonly id: string; readonly state: 'PENDING' | 'ACTIVE' | 'CANCELLED' | 'UNKNOWN' }
  | { readonly id: string; readonly state: 'COMPLETED'; readonly completion: Completion };

/** What a bot says of itself. */
export type SelfDescription = {
  /** bots.proto BotStatus; unknown numbers are kept. */
  readonly status: number;
  readonly version: string;
  readonly capacity: number;
  /** Canonical text (`propertiesText`). */
  readonly properties: string;
  /** The serials of each DUT it declares, the primary device's first; devices without serials are left out. */
  readonly duts: readonly (readonly { readonly name: string; readonly value: string }[])[];
};

export type SessionReport = {
  readonly name: string;
  readonly botId: string;
  readonly self: SelfDescription;
  readonly leases: readonly ReportedLease[];
};

/** A lease as its session's home remembers it, as far as the reading of a report needs it. */
export type Remembered = {
  readonly id: string;
  readonly state: OpenLeaseState;
  readonly echoed: boolean;
  /** The last report left it out, and that was no end of it yet. */
  readonly absent: boolean;
};

export type ReadStep = { readonly leaseId: string; readonly event: LeaseEvent; readonly completion: Completion | null };

/** What a report changes: nothing at all on the hot path. */
export type Reading = {
  /** Steps that change something, completions first: they free the room for what comes next. */
  readonly steps: readonly ReadStep[];
  /** Leases shown for the first time, or again. */
  readonly echoes: readonly string[];
  /** Leases left out for the first time, where a second time would mean something. */
  readonly absent: readonly string[];
  /** Shown as running, but not this session's any more: told CANCELLED once, then left out. */
  readonly strays: readonly string[];
};

/** @param told leases of which the bot was told once that they are not its session's any more. */
export const readReport = (
  report: Pick<SessionReport, 'leases' | 'self'>,
  remembered: ReadonlyMap<string, Remembered>,
  told: ReadonlySet<string> = NOTHING_TOLD,
): Reading => {
  const steps: ReadStep[] = [];
  const echoes: string[] = [];
  const strays: string[] = [];
  const shown = new Map(report.leases.map((lease) => [lease.id, lease]));
  for (const lease of shown.values()) {
    const known = remembered.get(lease.id);
    if (known === undefined) {
      if (lease.state === 'COMPLETED') {
        steps.push({ leaseId: lease.id, event: 'COMPLETED_OK', completion: lease.completion });
      } else if (lease.state !== 'CANCELLED') strays.push(lease.id);
      continue;
    }
    const event = shownEvent(lease, known, report.self.status);
    const changes = leaseTable[known.state][event] !== 'repeat';
    if (changes) {
      steps.push({ leaseId: lease.id, event, completion: lease.state === 'COMPLETED' ? lease.completion : null });
    } else if (!known.echoed || known.absent) echoes.push(lease.id);
  }
  const absent: string[] = [];
  const isLate = report.leases.some((lease) => isPast(lease, remembered, told));
  for (const known of remembered.values()) {
    if (shown.has(known.id) || isLate) continue;
    const event = absentEvent(known, report.self.status);
    if (leaseTable[known.state][event] !== 'repeat') steps.push({ leaseId: known.id, event, completion: null });
    else if (leaseTable[known.state].ABSENT_AGAIN !== 'repeat') absent.push(known.id);
  }
  return { steps: completionsFirst(steps), echoes, absent, strays };
};

const NOTHING_TOLD: ReadonlySet<string> = new Set();

/**
 * What has ended here and was not heard of as ended: the report may be older than one that was heard before it, as when a replica was
 * stopped with it in hand. What it leaves out may have come since, and says nothing (invariant 8).
 */
const isPast = (
  { id, state }: ReportedLease,
  remembered: ReadonlyMap<string, Remembered>,
  told: ReadonlySet<string>,
): boolean => state !== 'CANCELLED' && !remembered.has(id) && !told.has(id);

const shownEvent = (lease: ReportedLease, known: Remembered, status: number): LeaseEvent => {
  switch (lease.state) {
    case 'COMPLETED':
      return completionEvent(lease.completion.code);
    case 'PENDING':
      return known.state === 'PENDING' && handsBack(status) ? 'HANDED_BACK' : 'SHOWN_PENDING';
    case 'ACTIVE':
      return 'SHOWN_ACTIVE';
    case 'CANCELLED':
      // A bot on its way out that declines an un-started lease refuses nothing: it hands it back.
      return known.state === 'PENDING' && handsBack(status) ? 'HANDED_BACK' : 'SHOWN_CANCELLED';
    case 'UNKNOWN':
      return 'SHOWN_UNKNOWN';
  }
};

const absentEvent = (known: Remembered, status: number): LeaseEvent => {
  if (known.state === 'PENDING' && handsBack(status)) return 'HANDED_BACK';
  return known.absent ? 'ABSENT_AGAIN' : 'ABSENT';
};

const completionsFirst = (steps: readonly ReadStep[]): readonly ReadStep[] => [
  ...steps.filter((step) => step.completion !== null),
  ...steps.filter((step) => step.completion === null),
];
