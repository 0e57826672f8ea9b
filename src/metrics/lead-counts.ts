/** Who leads, and what a leader finds. */
import type { LeadTold } from '../farm/lead.ts';
import type { Instruments } from './instruments.ts';

export type LeadCounts = LeadTold & {
  /** What may fail: it is shown as not failed yet. */
  readonly knowsDuty: (name: string) => void;
  /** Age of the oldest event that watchers are not told yet; 0: there is none. */
  readonly eventsHeld: (heldMs: number) => void;
  /** Days of history that the last round could not make or drop. */
  readonly historyLeft: (days: number) => void;
  /** What the audit's writers cannot have written, or what is missing of what they did. */
  readonly auditBroken: (findings: number) => void;
};

export const createLeadCounts = (m: Instruments): LeadCounts => {
  const ofTheLeader = [m.stationgrid_events_held_age_seconds, m.stationgrid_history_left, m.stationgrid_audit_broken];
  let isLeader = false;
  return {
    leads: (leads) => {
      isLeader = leads;
      m.stationgrid_leader.set(leads ? 1 : 0);
      if (leads) m.stationgrid_leader_takeovers_total.inc();
      // Of what only the leader looks at, a former one knows nothing.
      else for (const gauge of ofTheLeader) gauge.set(0);
    },
    knowsDuty: (name) => {
      m.stationgrid_duty_failures_total.inc({ what: name }, 0);
    },
    dutyFailed: (duty) => {
      m.stationgrid_duty_failures_total.inc({ what: duty });
    },
    // A look may take longer than the lead lasts. What it finds then would stand until this replica leads again.
    eventsHeld: (heldMs) => {
      if (isLeader) m.stationgrid_events_held_age_seconds.set(heldMs / 1000);
    },
    historyLeft: (days) => {
      if (isLeader) m.stationgrid_history_left.set(days);
    },
    auditBroken: (findings) => {
      if (isLeader) m.stationgrid_audit_broken.set(findings);
    },
  };
};
