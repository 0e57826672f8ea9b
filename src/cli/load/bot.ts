/**
 * A bot of a run. It says to the farm what stationgrid-bot would say, and runs nothing: it joins, waits in a long poll, starts
 * what it is given, takes as long as a station would, tells the results, completes, and takes its leave. It is not that bot:
 * one with a connection, a fence and logs of its own, thousands of times over in one process, would measure itself.
 */
import { Lease, LeaseState } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { TestResult } from '../../gen/stationgrid/v1/work.ts';
import type { Offer, Shown } from './shown.ts';
import type { Turnstile } from './turnstile.ts';
import { type Calling, Voice } from './voice.ts';
import { packResults } from './work.ts';

/** A bot with a lease calls this often, as stationgrid-bot does: so it hears of a cancel. */
const BUSY_MS = 10_000;
/** Between two calls that say the same. */
const REPEAT_MS = 1_000;

export type LoadBotOptions = Omit<Calling, 'leaving'> & {
  readonly runMs: number;
  /** What its station finds, each at its time. */
  readonly found: readonly TestResult[];
  readonly results: 'live' | 'end';
  readonly witness: Witness;
  /** Goodbyes go through it: all at once they would be a load of their own. */
  readonly turnstile: Turnstile;
};

/** Who keeps the figures. */
export type Witness = {
  readonly joined: () => void;
  readonly leased: (number: number) => void;
  /** @param tookMs from the end of the station's work. */
  readonly completed: (number: number, tookMs: number) => void;
  /** A bot was given work of somebody else, which it hands back unstarted. All bots are to leave then. */
  readonly foreign: () => void;
};

export class LoadBot {
  readonly #options: LoadBotOptions;
  readonly #voice: Voice;
  /** One a bot: a signal that thousands listen to is slow to join and to leave. */
  readonly #leaving = new AbortController();
  /** Said while a poll was parked: the newer call ends the older one (R-POLL-7), and nothing has to be reset. */
  #farewell: Promise<Shown | null> | null = null;

  constructor(options: LoadBotOptions) {
    this.#options = options;
    this.#voice = new Voice({ ...options, leaving: this.#leaving.signal });
  }

  leave(): void {
    this.#leaving.abort();
  }

  /**
   * Until it shall leave. Work in hand is then ended early, and what is not started goes back. Resolves with whether the farm
   * has heard its goodbye.
   * @throws Failure when the farm will not have this bot.
   */
  async live(): Promise<boolean> {
    const { witness } = this.#options;
    const leaving = this.#leaving.signal;
    const overtake = (): void => {
      this.#farewell = this.#goodbye([]);
    };
    let offer = (await this.#voice.say([]))?.offer ?? null;
    if (this.#voice.hasSession) witness.joined();
    while (!leaving.aborted) {
      if (offer !== null) {
        if (!isOwn(offer)) break;
        offer = await this.#work(offer);
        continue;
      }
      leaving.addEventListener('abort', overtake, { once: true });
      const shown = await this.#voice.say([], 'poll');
      leaving.removeEventListener('abort', overtake);
      offer = shown?.offer ?? null;
    }
    if (offer !== null && !isOwn(offer)) witness.foreign();
    if (this.#farewell !== null) return (await this.#farewell) !== null;
    if (!this.#voice.hasSession) return true;
    // Shown PENDING by a bot that leaves, a lease goes back and is no attempt.
    return (await this.#goodbye(offer === null ? [] : [leaseIn(offer, LeaseState.PENDING)])) !== null;
  }

  #goodbye(leases: readonly Lease[]): Promise<Shown | null> {
    return this.#options.turnstile(() => this.#voice.say(leases));
  }

  /** Resolves with what the farm offers next. */
  async #work(offer: OwnOffer): Promise<Offer | null> {
    const { witness } = this.#options;
    witness.leased(offer.number);
    const begun = await this.#until(offer, LeaseState.ACTIVE, (state) => state !== LeaseState.PENDING);
    if (begun?.states.get(offer.leaseId) !== LeaseState.ACTIVE) return this.#letGo(offer, begun);
    const unsent = await this.#run(offer);
    if (unsent === 'cancelled') return this.#end(offer, LeaseState.CANCELLED);
    return this.#complete(offer, unsent);
  }

  async #complete(offer: OwnOffer, unsent: readonly TestResult[]): Promise<Offer | null> {
    const { clock, witness } = this.#options;
    const doneMs = clock.monotonicMs();
    const completed: Lease = {
      ...leaseIn(offer, LeaseState.COMPLETED),
      status: { code: 0, message: '', details: [] },
      result: packResults(unsent),
    };
    for (;;) {
      const shown = await this.#voice.say([completed]);
      if (shown === null) return null;
      const state = shown.states.get(offer.leaseId);
      if (state === LeaseState.CANCELLED) return this.#end(offer, LeaseState.CANCELLED);
      if (state === undefined) {
        witness.completed(offer.number, clock.monotonicMs() - doneMs);
        return shown.offer;
      }
      await clock.sleep(REPEAT_MS);
    }
  }

  /** As long as the station takes. Resolves with the results that the completion has to carry. */
  async #run(offer: Offer): Promise<readonly TestResult[] | 'cancelled'> {
    const { clock, runMs, found, results } = this.#options;
    const startedMs = clock.monotonicMs();
    const unsent: TestResult[] = [];
    for (const [index, result] of found.entries()) {
      if (!(await this.#rest(offer, startedMs + (runMs * (index + 1)) / found.length))) return 'cancelled';
      const told = results === 'live' && (await this.#voice.report(offer.leaseId, [result]));
      if (!told) unsent.push(result);
    }
    return unsent;
  }

  /** Until then, or until the bot shall leave; false: the work was cancelled. */
  async #rest(offer: Offer, untilMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const leaving = this.#leaving.signal;
    for (;;) {
      const leftMs = leaving.aborted ? 0 : untilMs - clock.monotonicMs();
      if (leftMs > 0) await clock.sleep(Math.min(leftMs, BUSY_MS), leaving);
      if (leftMs <= BUSY_MS) return true;
      const shown = await this.#voice.say([leaseIn(offer, LeaseState.ACTIVE)]);
      if (shown?.states.get(offer.leaseId) === LeaseState.CANCELLED) return false;
    }
  }

  /** Says the lease so until the farm shows it as wanted. */
  async #until(
    offer: Offer,
    said: LeaseState,
    isWanted: (state: LeaseState | undefined) => boolean,
  ): Promise<Shown | null> {
    for (;;) {
      const shown = await this.#voice.say([leaseIn(offer, said)]);
      if (shown === null || isWanted(shown.states.get(offer.leaseId))) return shown;
      await this.#options.clock.sleep(REPEAT_MS);
    }
  }

  /** A lease that was not to be started after all. */
  #letGo(offer: Offer, shown: Shown | null): Promise<Offer | null> {
    const isCancelled = shown?.states.get(offer.leaseId) === LeaseState.CANCELLED;
    return isCancelled ? this.#end(offer, LeaseState.CANCELLED) : Promise.resolve(shown?.offer ?? null);
  }

  async #end(offer: Offer, said: LeaseState): Promise<Offer | null> {
    return (await this.#until(offer, said, (state) => state === undefined))?.offer ?? null;
  }
}

type OwnOffer = Offer & { readonly number: number };
const isOwn = (offer: Offer): offer is OwnOffer => offer.number !== null;

const leaseIn = ({ leaseId }: Offer, state: LeaseState): Lease => Lease.create({ id: leaseId, state });
