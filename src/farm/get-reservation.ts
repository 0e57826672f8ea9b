/** Reads a reservation; may wait for its end, and answers with what is when the wait is over (R-RES-5). */
import { openEar } from './ear.ts';
import type { Farm } from './farm.ts';
import { readReservation, type ReservationName, type ReservationView } from './reservation-view.ts';

export type { ReservationView };

/** The longest wait, whatever was asked for: what clients in the field ask for is 60 s. */
const WAIT_MAX_MS = 60_000;

/**
 * @param asked `waitMs` 0: answers at once; the door leaves itself time to answer before the client's deadline. The
 *   signal ends the wait early, without an error.
 * @throws Refusal NOT_FOUND, INVALID.
 */
export const getReservation = async (
  farm: Farm,
  asked: ReservationName & { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<ReservationView> => {
  const untilMs = farm.clock.monotonicMs() + Math.min(asked.waitMs, WAIT_MAX_MS);
  const first = await readReservation(farm, asked);
  if (first.status !== null || asked.waitMs <= 0) return first;
  const ear = openEar(farm, (wake) => wake.kind === 'job' && wake.id === first.job.id);
  try {
    for (;;) {
      const view = await readReservation(farm, asked);
      const leftMs = untilMs - farm.clock.monotonicMs();
      if (view.status !== null || leftMs <= 0 || asked.signal.aborted) return view;
      await ear.heard(Math.min(leftMs, farm.limits.replica.tickMs), asked.signal);
    }
  } finally {
    ear.close();
  }
};
