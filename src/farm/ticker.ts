/** The loop around the tick: starts before the doors open, and stops after they have closed. */
import type { TickAnswer } from '../store/tick.ts';
import type { Home } from './home.ts';
import { beat, tickOnce, type TickMemory } from './tick.ts';

/** Ticks of many replicas spread by themselves when each is up to 20 % early or late. */
const JITTER = 0.2;

export class Ticker {
  readonly #home: Home;
  readonly #heard: (answer: TickAnswer) => void;
  readonly #missed: () => void;
  readonly #memory: TickMemory = { lastMs: null };
  readonly #stopping = new AbortController();
  #now = new AbortController();
  #running: Promise<void> | null = null;
  /** What followed from a heartbeat and is still being done. */
  #following: Promise<void> | null = null;

  /** `heard` is told what every heartbeat has learnt, `missed` of each that the database did not answer. */
  constructor(home: Home, heard: (answer: TickAnswer) => void, missed: () => void = () => undefined) {
    this.#home = home;
    this.#heard = heard;
    this.#missed = missed;
  }

  /** The first tick is over when this resolves: the replica is known, and knows where there is work. */
  async start(): Promise<void> {
    this.#heard(await tickOnce(this.#home, this.#memory));
    this.#running ??= this.#loop();
  }

  /** Something may have been missed: the next tick comes at once. */
  soon(): void {
    this.#now.abort();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#following;
  }

  async #loop(): Promise<void> {
    const { clock, limits, log, random } = this.#home;
    for (;;) {
      const forMs = limits.replica.tickMs * (1 - JITTER + 2 * JITTER * random());
      await clock.sleep(forMs, AbortSignal.any([this.#stopping.signal, this.#now.signal]));
      if (this.#stopping.signal.aborted) return;
      this.#now = new AbortController();
      try {
        const { answer, follow } = await beat(this.#home, this.#memory);
        this.#heard(answer);
        // Beside the next heartbeats: bots must not wait for what a slow sweep holds up. What it leaves, a later one sees.
        this.#following ??= this.#follow(follow);
      } catch (error) {
        log.warn({ error: String(error) }, 'a tick failed; the next one repairs what it left');
        this.#missed();
      }
    }
  }

  async #follow(follow: () => Promise<void>): Promise<void> {
    try {
      await follow();
    } catch (error) {
      this.#home.log.warn(
        { error: String(error) },
        'what followed from a tick failed; the next one repairs what it left',
      );
    }
    this.#following = null;
  }
}
