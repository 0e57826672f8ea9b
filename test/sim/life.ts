/**
 * One simulated process. All that reaches it from outside (an answer, a message, a timer) comes through `deliver`: a dead
 * process hears nothing more, a stopped one hears it when it goes on.
 */
import type { Clock } from '../../src/core/clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Virtual time 0 on the wall. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

export type LifeState = 'running' | 'stopped' | 'dead';

export class Life {
  readonly name: string;
  readonly clock: Clock;
  /** What the wall clock of its machine is wrong by. */
  skewMs = 0;
  readonly #time: VirtualTime;
  readonly #startedMs: number;
  readonly #held: (() => void)[] = [];
  readonly #onDeath: (() => void)[] = [];
  readonly #onStop: (() => void)[] = [];
  /** What lets go of the signals that sleepers wait for: a signal that is listened to is never collected. */
  readonly #asleep = new Set<() => void>();
  #state: LifeState = 'running';
  #portsToDeath = Number.POSITIVE_INFINITY;

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.#time = time;
    this.#startedMs = time.nowMs();
    this.clock = {
      now: () => new Date(EPOCH_MS + time.nowMs() + this.skewMs),
      monotonicMs: () => time.nowMs() - this.#startedMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get state(): LifeState {
    return this.#state;
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  /** Runs it now, later, or never. Each is a place where a crash may strike. */
  deliver(hear: () => void): void {
    if (this.#state === 'dead') return;
    this.#portsToDeath -= 1;
    if (this.#portsToDeath <= 0) {
      this.die();
      return;
    }
    if (this.#state === 'stopped') this.#held.push(hear);
    else hear();
  }

  /** Dies at the n-th thing it hears from now on. */
  dieAtPort(n: number): void {
    this.#portsToDeath = n;
  }

  onDeath(then: () => void): void {
    this.#onDeath.push(then);
  }

  die(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#held.length = 0;
    for (const forget of this.#asleep) forget();
    this.#asleep.clear();
    for (const then of this.#onDeath) then();
  }

  /** Told whenever it is stopped, as by SIGSTOP. */
  onStop(then: () => void): void {
    this.#onStop.push(then);
  }

  stop(): void {
    if (this.#state !== 'running') return;
    this.#state = 'stopped';
    for (const then of this.#onStop) then();
  }

  /** What was held back is heard in its order. */
  goOn(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const hear of this.#held.splice(0)) this.deliver(hear);
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true || ms <= 0) {
        resolve();
        return;
      }
      const forget = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', wake);
      };
      const wake = (): void => {
        forget();
        this.#asleep.delete(forget);
        resolve();
      };
      const timer = this.#time.after(ms, () => this.deliver(wake));
      signal?.addEventListener('abort', wake, { once: true });
      this.#asleep.add(forget);
    });
  }
}
