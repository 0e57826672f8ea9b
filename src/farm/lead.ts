/**
 * One replica of a farm leads at a time, and does the duties that are done once a farm. Which one it is never matters to
 * what is right: a duty that is done twice, or for a while by nobody, costs nothing but that.
 */
import type { Candidacy, Stand } from '../store/leadership.ts';
import type { Farm } from './farm.ts';

export type Duty = {
  readonly name: string;
  /** From the end of one time to the beginning of the next. A new leader begins at once. */
  readonly everyMs: number;
  /** The signal aborts when the replica leads no longer. What rejects is logged, counted, and done again in its time. */
  readonly do: (signal: AbortSignal) => Promise<void>;
};

/** For whoever counts. */
export type LeadTold = {
  readonly leads: (leads: boolean) => void;
  readonly dutyFailed: (name: string) => void;
};

export type LeadParts = Pick<Farm, 'clock' | 'limits' | 'log' | 'wake' | 'onWake'> & {
  readonly stand: Stand;
  readonly duties: readonly Duty[];
  readonly told: LeadTold;
};

/**
 * Shares of `limits.leadership.takeoverMs`. Together they leave a fifth of it, for answers and for connecting: a leader
 * that falls silent has lost the lock after the one, and everybody has asked for it again after the other.
 */
const SILENT_SHARE = 0.5;
const SPEAK_SHARE = 0.3;

/** How long a leader may be silent, how often it speaks and the others ask, and how long they wait for an answer. */
export const leadershipTimes = (takeoverMs: number) => ({
  silentMs: takeoverMs * SILENT_SHARE,
  speakMs: takeoverMs * SPEAK_SHARE,
  answerMs: takeoverMs * (SILENT_SHARE - SPEAK_SHARE),
});

export class Lead {
  readonly #parts: LeadParts;
  readonly #times: ReturnType<typeof leadershipTimes>;
  readonly #stopping = new AbortController();
  #now = new AbortController();
  #running: Promise<void> | null = null;
  #isAway = false;

  constructor(parts: LeadParts) {
    this.#parts = parts;
    this.#times = leadershipTimes(parts.limits.leadership.takeoverMs);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Hands over: when this resolves the duties are at rest, and another replica may lead. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const unhear = this.#parts.onWake(({ kind }) => {
      if (kind === 'lead') this.#now.abort();
    });
    while (!this.#stopping.signal.aborted) {
      const candidacy = await this.#stand();
      if (candidacy !== null) await this.#stay(candidacy);
      await this.#rest(this.#stopping.signal);
    }
    unhear();
  }

  async #stand(): Promise<Candidacy | null> {
    try {
      const candidacy = await this.#parts.stand();
      this.#isAway = false;
      return candidacy;
    } catch (error) {
      // Once for each time that the database is away: every few seconds would be all that the log says.
      if (!this.#isAway) this.#parts.log.warn({ error: String(error) }, 'no connection to stand for leadership on');
      this.#isAway = true;
      return null;
    }
  }

  /** Until the connection is lost, or the replica stops. */
  async #stay(candidacy: Candidacy): Promise<void> {
    const { clock, log, wake } = this.#parts;
    let term: Term | null = null;
    try {
      while (!this.#stopping.signal.aborted && !candidacy.ended.aborted) {
        // From before it is sent: the server counts its silence from when it has heard, which is later.
        const saidMs = clock.monotonicMs();
        if (term !== null) {
          await candidacy.speak();
          term.spoke(saidMs);
        } else if (await candidacy.claim()) term = this.#begin(saidMs);
        await this.#rest(candidacy.ended);
      }
    } catch (error) {
      log.warn({ error: String(error) }, 'the connection to stand for leadership on was lost');
    }
    await term?.end();
    await candidacy.close();
    if (term !== null && this.#stopping.signal.aborted) wake([{ kind: 'lead' }]);
  }

  #begin(saidMs: number): Term {
    const { silentMs, speakMs } = this.#times;
    return beginTerm(this.#parts, { saidMs, silentMs, speakMs });
  }

  /** Until it is time to speak or to ask again, or somebody says that nobody leads. */
  async #rest(signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(
      this.#times.speakMs,
      AbortSignal.any([signal, this.#stopping.signal, this.#now.signal]),
    );
    this.#now = new AbortController();
  }
}

type Term = {
  /** A word that was sent then, on the monotonic clock, has been answered. */
  readonly spoke: (saidMs: number) => void;
  /** Resolves when the duties are at rest. */
  readonly end: () => Promise<void>;
};

const beginTerm = (
  { clock, log, duties, told }: LeadParts,
  { saidMs, silentMs, speakMs }: { readonly saidMs: number; readonly silentMs: number; readonly speakMs: number },
): Term => {
  const ending = new AbortController();
  const { signal } = ending;
  let spokeMs = saidMs;
  const perform = async (duty: Duty): Promise<void> => {
    while (!signal.aborted) {
      // A process that was stopped may lead no longer, and wakes up here before it hears of that.
      if (clock.monotonicMs() - spokeMs >= silentMs) {
        await clock.sleep(speakMs, signal);
        continue;
      }
      try {
        await duty.do(signal);
      } catch (error) {
        told.dutyFailed(duty.name);
        log.warn({ err: error, duty: duty.name }, 'a duty of the leader failed; it is done again in its time');
      }
      await clock.sleep(duty.everyMs, signal);
    }
  };
  log.info({}, 'this replica leads the farm');
  told.leads(true);
  const performing = duties.map(perform);
  return {
    spoke: (atMs) => {
      spokeMs = atMs;
    },
    end: async () => {
      ending.abort();
      told.leads(false);
      log.info({}, 'this replica leads the farm no longer');
      await Promise.all(performing);
    },
  };
};
