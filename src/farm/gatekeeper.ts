/** Hears that DUTs may have become free and lets the gated jobs that wait for them ask. */
import type { Farm } from './farm.ts';
import { openGates } from './open-gates.ts';

export class Gatekeeper {
  readonly #farm: Farm;
  readonly #waiting = new Set<number>();
  #asking: Promise<void> | null = null;
  #unhear: () => void = () => undefined;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  start(): void {
    this.#unhear = this.#farm.onWake((wake) => {
      if (wake.kind !== 'device') return;
      this.#waiting.add(wake.id);
      this.#asking ??= this.#ask();
    });
  }

  async stop(): Promise<void> {
    this.#unhear();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    while (this.#waiting.size > 0) {
      const deviceIds = [...this.#waiting];
      this.#waiting.clear();
      await openGates(this.#farm, deviceIds).catch((error: unknown) => {
        this.#farm.log.warn({ err: error }, 'gates could not be opened; the next tick tries again');
      });
    }
    this.#asking = null;
  }
}
