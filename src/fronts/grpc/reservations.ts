/** google.devtools.remoteworkers.v1test2.Reservations: booking a DUT in the words of the Remote Workers API. */
import { invalid } from '../../core/refusal.ts';
import type { ReservationState } from '../../core/reservation.ts';
import { cancelReservation, type CancelResult } from '../../farm/cancel-reservation.ts';
import { createReservation, type ReservationAsked } from '../../farm/create-reservation.ts';
import type { EnqueueingFarm } from '../../farm/enqueue-job.ts';
import { getReservation, type ReservationView } from '../../farm/get-reservation.ts';
import {
  CancelReservationIntent,
  CancelResult as CancelResultNumber,
  type CreateReservationRequest,
  type Reservation,
  type ReservationsService,
  ReservationState as StateNumber,
} from '../../gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import type { Call, HandlersOf } from './endpoints.ts';
import { textOrNull } from './convert-ids.ts';
import { anyOrUnset, payloadOf, payloadTaskOf } from './convert-job.ts';
import { dateOf, durationOrUnset, msOf, timestampOrUnset } from './convert-time.ts';
import { packWork } from './convert-work.ts';
import { instanceOfReservation } from './verbs.ts';

/** @param closing aborts when the door closes: waits end then, with what is. */
export const createReservations = (farm: EnqueueingFarm, closing: AbortSignal): HandlersOf<ReservationsService> => ({
  createReservation: async (request, { traceparent = null }) =>
    reservationMessageOf(await createReservation(farm, askedOf(request), traceparent)),
  getReservation: async ({ name, waitSeconds }, call) => {
    const waitMs = waitOf(Number(waitSeconds) * 1000, call);
    const signal = AbortSignal.any([call.signal, closing]);
    return reservationMessageOf(await getReservation(farm, { ...named(name), waitMs, signal }));
  },
  cancelReservation: async ({ name, intent }) => {
    const isAny = intent === CancelReservationIntent.ANY;
    const result = await cancelReservation(farm, { ...named(name), intent: isAny ? 'ANY' : 'ONLY_IF_PENDING' });
    return { result: numberOfResult[result] };
  },
});

const named = (name: string): { readonly instance: string; readonly name: string } => {
  const instance = instanceOfReservation(name);
  if (instance !== null) return { instance, name };
  const words = `${JSON.stringify(name)} is no name of a reservation. Names are <parent>/reservations/<id>.`;
  throw invalid('RESERVATION_NAME', words);
};

/** Of the time to the client's deadline, so much is left for the answer's way back (as for polls, R-POLL-2). */
const MARGIN_SHARE = 0.2;
const MARGIN_MIN_MS = 300;
const MARGIN_MAX_MS = 10_000;

const waitOf = (askedMs: number, { untilDeadlineMs }: Call): number => {
  if (untilDeadlineMs === null) return Math.max(0, askedMs);
  const marginMs = Math.min(Math.max(MARGIN_SHARE * untilDeadlineMs, MARGIN_MIN_MS), MARGIN_MAX_MS);
  return Math.max(0, Math.min(askedMs, untilDeadlineMs - marginMs));
};

const askedOf = ({ parent, reservation }: CreateReservationRequest): ReservationAsked => {
  if (reservation?.payload === undefined) {
    throw invalid('NO_PAYLOAD', 'The reservation has no payload, so there is nothing to run. Send one.');
  }
  const { task, serials, executionTimeoutMs } = payloadTaskOf(reservation.payload);
  const { name, constraints, requestedBotId, priority, groupId, pubsubMetadata } = reservation;
  return {
    instance: parent,
    name,
    task,
    serials,
    constraints,
    requestedBotId: textOrNull(requestedBotId),
    priority,
    expiresAt: dateOf('The expire_time', reservation.expireTime),
    executionTimeoutMs: msOf(reservation.executionTimeout) ?? executionTimeoutMs,
    queuingTimeoutMs: msOf(reservation.queuingTimeout),
    matchTimeoutMs: msOf(reservation.matchTimeout),
    groupId,
    pubsub: pubsubMetadata ?? null,
  };
};

const numberOfState: Readonly<Record<ReservationState, StateNumber>> = {
  PENDING: StateNumber.RESERVATION_PENDING,
  ASSIGNED: StateNumber.RESERVATION_ASSIGNED,
  ACTIVE: StateNumber.RESERVATION_ACTIVE,
  COMPLETED: StateNumber.RESERVATION_COMPLETED,
  CANCELLED: StateNumber.RESERVATION_CANCELLED,
};
const numberOfResult: Readonly<Record<CancelResult, CancelResultNumber>> = {
  CANCELED: CancelResultNumber.CANCELED,
  CANCELLING: CancelResultNumber.CANCELLING,
  TASK_ALREADY_ASSIGNED: CancelResultNumber.TASK_ALREADY_ASSIGNED,
  TASK_ALREADY_FINISHED: CancelResultNumber.TASK_ALREADY_FINISHED,
};

const reservationMessageOf = ({ name, state, status, job }: ReservationView): Reservation => ({
  name,
  payload: payload(job.task),
  result: anyOrUnset(job.result),
  state: numberOfState[state],
  status: status === null ? undefined : { ...status, details: [] },
  expireTime: timestampOrUnset(job.expiresAt),
  priority: job.priority,
  pubsubMetadata: job.reservation?.pubsub ?? undefined,
  assignedBotId: job.botId ?? '',
  groupId: job.reservation?.groupId ?? '',
  requestedBotId: job.requestedBotId ?? '',
  constraints: job.constraints,
  queuingTimeout: durationOrUnset(job.queueTimeoutMs),
  executionTimeout: durationOrUnset(job.executionTimeoutMs),
  matchTimeout: durationOrUnset(job.reservation?.matchTimeoutMs ?? null),
});

const payload = (task: ReservationView['job']['task']): Any =>
  task.kind === 'foreign' ? payloadOf(task) : packWork(task.work);
