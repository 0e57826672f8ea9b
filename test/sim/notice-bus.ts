/** NOTIFY and LISTEN between simulated replicas: each notice may be lost, and a broken listener hears nothing. */
import type { Notices } from '../../src/store/notices.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { VirtualTime } from './virtual-time.ts';

export type BusWeather = { readonly isRefusing: (replica: string) => boolean; readonly loss: () => number };

type Ear = { readonly life: Life; readonly heard: (payload: string) => void; readonly end: () => void };

export class NoticeBus {
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #weather: BusWeather;
  readonly #ears = new Set<Ear>();

  constructor(parts: { time: VirtualTime; prng: Prng; weather: BusWeather }) {
    this.#time = parts.time;
    this.#prng = parts.prng;
    this.#weather = parts.weather;
  }

  /** All listening connections break, as in a failover. */
  breakAll(): void {
    for (const ear of [...this.#ears]) ear.life.deliver(ear.end);
  }

  noticesOf(life: Life): Notices {
    return {
      send: async (payload) => {
        await life.clock.sleep(1);
        if (this.#weather.isRefusing(life.name)) throw new Error('Connection terminated unexpectedly');
        for (const ear of this.#ears) {
          if (this.#prng.chance(this.#weather.loss())) continue;
          this.#time.after(this.#prng.between(0.3, 3), () => {
            if (this.#ears.has(ear)) ear.life.deliver(() => ear.heard(payload));
          });
        }
      },
      listen: async (heard) => {
        await life.clock.sleep(1);
        if (this.#weather.isRefusing(life.name)) throw new Error('connect ECONNREFUSED');
        let end = (): void => undefined;
        const ended = new Promise<void>((resolve) => (end = resolve));
        const ear: Ear = {
          life,
          heard,
          end: () => {
            this.#ears.delete(ear);
            end();
          },
        };
        this.#ears.add(ear);
        life.onDeath(() => this.#ears.delete(ear));
        return { ended, close: async () => ear.end() };
      },
    };
  }
}
