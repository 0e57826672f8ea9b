/** What has happened, as committed: the words that watchers, metrics and notifications share. */
export type FarmEventKind =
  | 'JOB_ENQUEUED'
  | 'JOB_HELD'
  | 'JOB_RELEASED'
  | 'JOB_REQUEUED'
  | 'JOB_FINISHED'
  | 'JOB_FAILED'
  | 'JOB_CANCELLED'
  | 'CANCEL_ASKED'
  | 'LEASE_GRANTED'
  | 'LEASE_STARTED'
  | 'LEASE_COMPLETED'
  | 'LEASE_WITHDRAWN'
  | 'LEASE_REFUSED'
  | 'LEASE_CANCELLED'
  | 'LEASE_LOST'
  | 'LATE_COMPLETION'
  | 'RESULTS_REPORTED'
  | 'GATE_CLEARED'
  | 'GATE_REFUSED'
  | 'GATE_LAPSED'
  | 'GATE_OVERRIDDEN'
  | 'SESSION_CREATED'
  | 'SESSION_LAPSED'
  | 'SESSION_CLOSED'
  | 'BOT_EVENT'
  | 'BOT_QUARANTINED'
  | 'BOT_RELEASED'
  | 'BOTS_DRAINED'
  | 'BOTS_UNDRAINED'
  | 'DEVICE_CHANGED'
  | 'DEVICE_HELD'
  | 'DEVICE_RELEASED'
  | 'CALL_DELIVERED'
  | 'CALL_DEAD'
  | 'CALL_RETRIED'
  | 'CALL_SKIPPED'
  | 'CALL_ACTION'
  | 'BRIDGE_RESUMED';

/** An event about to be committed. The store stamps its time and its place in the order. */
export type FarmEvent = {
  readonly kind: FarmEventKind;
  readonly instance: string;
  readonly jobId: number | null;
  readonly leaseId: string | null;
  readonly botId: string | null;
  readonly deviceId: number | null;
  /** A few facts more, small and for reading: never serial numbers of third parties, never registration codes. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
};

export const farmEvent = (
  kind: FarmEventKind,
  instance: string,
  about: Partial<Omit<FarmEvent, 'kind' | 'instance'>> = {},
): FarmEvent => ({ kind, instance, jobId: null, leaseId: null, botId: null, deviceId: null, facts: {}, ...about });
