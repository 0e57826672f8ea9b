/** A reservation as the Remote Workers door shows it. */
import { finalStatus, type FinalStatus, reservationState, type ReservationState } from '../core/reservation.ts';
import { Refusal } from '../core/refusal.ts';
import { readReservedJobView } from '../store/job-views.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobView, toJobView } from './job-view.ts';

export type ReservationName = {
  readonly instance: string;
  /** The whole name: `<instance>/reservations/<id>`. */
  readonly name: string;
};

export type ReservationView = {
  readonly name: string;
  readonly state: ReservationState;
  /** Null: it has not ended. */
  readonly status: FinalStatus | null;
  /** Its payload, result, times, constraints and the bot that has it. */
  readonly job: JobView;
};

export const toReservationView = (job: JobView): ReservationView => ({
  name: job.reservation?.name ?? '',
  state: reservationState(job),
  status: finalStatus(job),
  job,
});

/** @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const readReservation = async (farm: Farm, { instance, name }: ReservationName): Promise<ReservationView> => {
  lineFor(farm, instance);
  const row = name.includes('\0') ? null : await readReservedJobView(farm.pool, instance, name);
  if (row !== null) return toReservationView(toJobView(row));
  throw new Refusal(
    'NOT_FOUND',
    'NO_SUCH_RESERVATION',
    `There is no reservation ${JSON.stringify(name)}. Names are as they were chosen when it was created, and are kept as long as its job.`,
  );
};
