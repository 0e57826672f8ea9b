/**
 * Series that alerts and objectives count by, at 0 from the start. To Prometheus a counter that is born with its first value
 * has not grown: the first rack that falls silent would be the one that nobody is told of.
 */
import type { Instruments } from './instruments.ts';
import type { LabelBounds } from './label-bounds.ts';
import { failures, jobExpiries, leaseExpiries } from './witness.ts';

const expiries = [...leaseExpiries, ...jobExpiries, 'SESSION_LAPSED', 'GATE_LAPSED'];
const settled = ['DELIVERED', 'DEAD', 'SKIPPED'];

export const beginAtZero = (m: Instruments, bounds: LabelBounds): void => {
  for (const instance of bounds.instances()) {
    for (const cause of expiries) m.stationgrid_expiries_total.inc({ instance, cause }, 0);
    for (const state of settled) m.stationgrid_shopfloor_calls_settled_total.inc({ instance, state }, 0);
    m.stationgrid_delivery_seconds.zero({ instance });
    for (const cause of failures) m.stationgrid_jobs_failed_total.inc({ instance, cause }, 0);
    m.stationgrid_jobs_enqueued_total.inc({ instance }, 0);
    m.stationgrid_quarantines_total.inc({ instance }, 0);
  }
  for (const work of bounds.declared) {
    for (const verdict of ['PASSED', 'FAILED']) {
      m.stationgrid_jobs_ended_total.inc({ ...work, state: 'FINISHED', verdict }, 0);
    }
    m.stationgrid_jobs_ended_total.inc({ ...work, state: 'FAILED', verdict: '' }, 0);
    m.stationgrid_first_pass_total.inc(work, 0);
    m.stationgrid_leases_granted_total.inc(work, 0);
    m.stationgrid_match_wait_seconds.zero(work);
    m.stationgrid_station_cycle_seconds.zero(work);
  }
};
