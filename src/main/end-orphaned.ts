/** A worker whose primary is gone has nobody left to kill it when its stop hangs: it ends itself. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../log.ts';

/** EX_SOFTWARE of sysexits.h: a stop that does not come to its end is a defect, or that of a database that hangs. */
const EX_SOFTWARE = 70;

export type OrphanParts = {
  readonly lost: AbortSignal;
  /** How long it may stop, as when its primary lives. */
  readonly stopMs: number;
  readonly log: Pick<Log, 'error'>;
  /** Of a clock that keeps no process alive. */
  readonly sleep: Clock['sleep'];
  readonly exit: (code: number) => void;
};

export const endOrphaned = ({ lost, stopMs, log, sleep, exit }: OrphanParts): void => {
  const end = async (): Promise<void> => {
    log.error({}, 'the primary process is gone: this worker stops');
    await sleep(stopMs);
    log.error({}, `without its primary, the worker did not stop within ${stopMs} ms: it ends as it is`);
    exit(EX_SOFTWARE);
  };
  if (lost.aborted) void end();
  else lost.addEventListener('abort', () => void end(), { once: true });
};
