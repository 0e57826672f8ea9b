/** What was opened is closed in the reverse order, whatever goes wrong on the way. */
import type { Log } from '../log.ts';

/** How each part is closed, in the order in which they were opened. */
export type Undo = (() => Promise<void>)[];

export const unwind = async (log: Log, undo: Readonly<Undo>): Promise<void> => {
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => {
      log.warn({ err: error }, 'a part of the farm did not stop in good order');
    });
  }
};

/** Waits until it is told to stop, and closes everything. */
export const stopOn = async (signal: AbortSignal, log: Log, undo: Readonly<Undo>): Promise<void> => {
  await aborted(signal);
  log.info({}, 'the farm stops: no new work, parked polls are answered');
  await unwind(log, undo);
  log.info({}, 'the farm has stopped');
};

/** Resolves at once when it has aborted already. */
const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
