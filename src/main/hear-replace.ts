/**
 * SIGUSR2, from the first moment of a farm to its last: unheard, the signal would end the process, and whoever sends it
 * cannot see how far the start, or the stop, has come.
 */
import type { Log } from '../log.ts';

export type Replace = {
  /** What the signal does from now on. */
  readonly by: (replace: () => void) => void;
};

export const hearReplace = (log: Log): Replace => {
  let replace = (): void => {
    log.warn({}, 'SIGUSR2: there are no workers to replace; what is configured now is read at the next start');
  };
  process.on('SIGUSR2', () => replace());
  return {
    by: (next) => {
      replace = next;
    },
  };
};
