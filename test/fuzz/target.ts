/** One kind of thing to throw, and at what. */
import type { Prng } from '../sim/prng.ts';
import type { Input, Told } from './input.ts';
import type { Site } from './site.ts';

export type Target = {
  readonly name: string;
  /** For people, after "fuzzes". */
  readonly says: string;
  /** Which process is asked how it bears it. */
  readonly under: 'farm' | 'shopfloor' | 'host';
  readonly make: (prng: Prng) => Input;
  /** Puts in place what inputs refer to. True: what is stored has changed by it. */
  readonly prepare?: (site: Site) => Promise<boolean>;
  readonly send: (site: Site, input: Input) => Promise<Told>;
  /** A good request afterwards. Null: it is answered as ever. */
  readonly next: (site: Site) => Promise<string | null>;
};
