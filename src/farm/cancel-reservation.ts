/** Cancels a reservation as far as its client means it (R-RES-4). Never fails for one that is past cancelling. */
import { hasEnded } from '../core/job.ts';
import { Refusal } from '../core/refusal.ts';
import { cancelJob } from './cancel-job.ts';
import type { Farm } from './farm.ts';
import { readReservation, type ReservationName } from './reservation-view.ts';

/** reservations.proto CancelReservationIntent; unspecified is ONLY_IF_PENDING. */
export type CancelIntent = 'ONLY_IF_PENDING' | 'ANY';

/** reservations.proto CancelResult, spelled as there. */
export type CancelResult = 'CANCELED' | 'CANCELLING' | 'TASK_ALREADY_ASSIGNED' | 'TASK_ALREADY_FINISHED';

/** @throws Refusal NOT_FOUND, INVALID. */
export const cancelReservation = async (
  farm: Farm,
  asked: ReservationName & { readonly intent: CancelIntent },
): Promise<CancelResult> => {
  const { job } = await readReservation(farm, asked);
  if (job.state === 'CANCELLED') return 'CANCELED';
  if (hasEnded(job.state)) return 'TASK_ALREADY_FINISHED';
  if (job.state !== 'QUEUED' && asked.intent === 'ONLY_IF_PENDING') return 'TASK_ALREADY_ASSIGNED';
  try {
    const { instance, id } = job;
    const onlyIfQueued = asked.intent === 'ONLY_IF_PENDING';
    const { outcome } = await cancelJob(farm, { instance, id, reason: 'its reservation was cancelled', onlyIfQueued });
    return outcome === 'CANCELLED' ? 'CANCELED' : 'CANCELLING';
  } catch (error) {
    // It ended between the look and the cancel: the first commit wins.
    if (error instanceof Refusal && error.reason === 'ALREADY_ASSIGNED') return 'TASK_ALREADY_ASSIGNED';
    if (error instanceof Refusal && error.reason === 'ALREADY_FINISHED') return afterAll(farm, asked);
    throw error;
  }
};

const afterAll = async (farm: Farm, asked: ReservationName): Promise<CancelResult> =>
  (await readReservation(farm, asked)).state === 'CANCELLED' ? 'CANCELED' : 'TASK_ALREADY_FINISHED';
