/** States of leases, and the few facts that are shown of one. */
import { z } from 'zod';
import type { ClosedLeaseState, OpenLeaseState } from '../../../core/lease.ts';
import { number, type Words } from './words.ts';

const open = {
  PENDING: 'PENDING',
  ACTIVE: 'ACTIVE',
  CANCELLING: 'CANCELLING',
} satisfies Words<OpenLeaseState>;

const closed = {
  COMPLETED: 'COMPLETED',
  CANCELLED: 'CANCELLED',
  REFUSED: 'REFUSED',
  WITHDRAWN: 'WITHDRAWN',
  LOST: 'LOST',
} satisfies Words<ClosedLeaseState>;

export const leaseState = z.enum({ ...open, ...closed });

/** Of a bot that holds it. */
export const heldLease = z.strictObject({ leaseId: z.uuid(), jobId: number, station: z.string(), state: z.enum(open) });
