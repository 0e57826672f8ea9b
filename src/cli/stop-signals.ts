/** How a person or a supervisor ends a process that runs until it is told to stop. */
import { constants } from 'node:os';

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once, as the signal would have. */
export const stopSignals = (): AbortSignal => {
  const stopping = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(128 + constants.signals[name]);
      stopping.abort();
    });
  }
  return stopping.signal;
};
