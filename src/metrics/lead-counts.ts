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

export const createLeadCounts = (m: Instruments): LeadCounts => ({
  leads: (leads) => {
    m.stationgrid_leader.set(leads ? 1 : 0);
    if (leads) m.stationgrid_leader_takeovers_total.inc();
    // Of what only the leader looks at, a former one knows nothing.
    else {
      m.stationgrid_events_held_age_seconds.set(0);
      m.stationgrid_history_left.set(0);
      m.stationgrid_audit_broken.set(0);
    }
  },
  knowsDuty: (name) => {
    m.stationgrid_duty_failures_total.inc({ what: name }, 0);
  },
  dutyFailed: (duty) => {
    m.stationgrid_duty_failures_total.inc({ what: duty });
  },
  eventsHeld: (heldMs) => {
    m.stationgrid_events_held_age_seconds.set(heldMs / 1000);
  },
  historyLeft: (days) => {
    m.stationgrid_history_left.set(days);
  },
  auditBroken: (findings) => {
    m.stationgrid_audit_broken.set(findings);
  },
});
