/** From what the farm answers to a BotSession as bots read it. */
import type { SessionReply } from '../../farm/update-bot-session.ts';
import type { HeldLease } from '../../farm/sessions.ts';
import { type BotSession, Lease, LeaseState } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import { packGranted } from './convert-work.ts';
import { timestampOf, timestampOrUnset } from './convert-time.ts';

/** Whether a lease's payload is echoed until it is completed, or only while it is PENDING (R-LEASE-4). */
export type EchoPayload = 'until-completed' | 'pending-only';

/** Payloads as encoded once; a running lease is echoed several times a second. They go with the leases they are of. */
type Packed = WeakMap<HeldLease, Any>;

export type ToWire = (received: BotSession, reply: SessionReply) => BotSession;

/**
 * Status, worker, version and bot_id go back exactly as they came (R-UPD-4): some clients replace what they know of
 * themselves with our reply.
 */
export const createToWire = (echoPayload: EchoPayload): ToWire => {
  const packed: Packed = new WeakMap();
  return (received, reply) => ({
    ...received,
    name: reply.name,
    expireTime: timestampOf(reply.expiresAt),
    leases: [
      ...reply.leases.map((lease) => leaseMessageOf(lease, { echoPayload, packed })),
      ...reply.cancelledOnce.map((id) => Lease.create({ id, state: LeaseState.CANCELLED })),
    ],
  });
};

/** CANCELLING is told until it is acknowledged (R-LEASE-9). */
const numberOf = {
  PENDING: LeaseState.PENDING,
  ACTIVE: LeaseState.ACTIVE,
  CANCELLING: LeaseState.CANCELLED,
} as const satisfies Readonly<Record<HeldLease['state'], LeaseState>>;

const BLANK = Lease.create();

/** No requirements, no status, no result: field bots trip over the first, and the others are theirs to say (R-UPD-5). */
const leaseMessageOf = (
  lease: HeldLease,
  { echoPayload, packed }: { readonly echoPayload: EchoPayload; readonly packed: Packed },
): Lease => {
  const { id, state, executionDeadline } = lease;
  const carries = state === 'PENDING' || (state === 'ACTIVE' && echoPayload === 'until-completed');
  return {
    ...BLANK,
    id,
    state: numberOf[state],
    expireTime: timestampOrUnset(executionDeadline),
    payload: carries ? payloadOf(lease, packed) : undefined,
  };
};

const payloadOf = (lease: HeldLease, packed: Packed): Any => {
  const known = packed.get(lease);
  if (known !== undefined) return known;
  const payload =
    lease.work === null
      ? { typeUrl: lease.payloadType ?? '', value: lease.payload ?? Buffer.alloc(0) }
      : packGranted(lease.work);
  packed.set(lease, payload);
  return payload;
};
