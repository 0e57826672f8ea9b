/** Looks after history now and then, for as long as this replica serves. */
import { isOutage } from '../store/outage.ts';
import { type FarmSeams, transact } from './farm.ts';
import { type HistoryKept, keepHistory } from './keep-history.ts';

export class HistoryLoop {
  readonly #farm: FarmSeams;
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;

  constructor(farm: FarmSeams) {
    this.#farm = farm;
  }

  /** The first round begins now; nobody waits for it. */
  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const { clock, limits, log } = this.#farm;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        tell(log, await keepHistory({ limits, transact: (work) => transact(this.#farm, work), signal }));
      } catch (error) {
        if (isOutage(error)) log.warn({ error: String(error) }, 'the days of history could not be looked after');
        else log.error({ err: error }, 'the days of history could not be looked after');
      }
      await clock.sleep(limits.history.checkMs, signal);
    }
  }
}

const tell = (log: FarmSeams['log'], { made, dropped, deleted, left }: HistoryKept): void => {
  if (dropped.length > 0 || deleted > 0) log.info({ dropped, deleted }, 'history past its time was dropped');
  if (made.length > 0) log.info({ days: made.length }, 'days of history were made ahead');
  if (left.length > 0) log.info({ left }, 'days of history were left to the next round');
};
