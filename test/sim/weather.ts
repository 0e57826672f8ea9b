/** What is wrong with the world just now. Faults begin and end; everything else asks. */
import type { StatementFault } from './sim-pool.ts';

export type PartnerMood = 'refused' | 'slow' | 'drop' | 'fault' | 'garbage';

/** Each is in force from its beginning to its end. Rates are shares from 0 to 1. */
export type Trouble =
  | { readonly kind: 'cut'; readonly from: string; readonly to: string }
  | { readonly kind: 'loss'; readonly rate: number }
  | { readonly kind: 'duplication'; readonly rate: number }
  | { readonly kind: 'delay'; readonly maxMs: number }
  | {
      readonly kind: 'statements';
      readonly replica: string | null;
      readonly fault: StatementFault;
      readonly rate: number;
    }
  | { readonly kind: 'no database'; readonly replica: string | null }
  | { readonly kind: 'lost notices'; readonly rate: number }
  | { readonly kind: 'partner'; readonly mood: PartnerMood; readonly rate: number };

/** Notices are hints, and some are lost on the best of days: it keeps the backstops honest. */
const NOTICE_LOSS = 0.4;

export class Weather {
  readonly #troubles = new Set<Trouble>();

  begin(trouble: Trouble): void {
    this.#troubles.add(trouble);
  }

  end(trouble: Trouble): void {
    this.#troubles.delete(trouble);
  }

  clear(): void {
    this.#troubles.clear();
  }

  /** `*` is everybody. */
  isCut(from: string, to: string): boolean {
    return this.#of('cut').some((cut) => (cut.from === '*' || cut.from === from) && (cut.to === '*' || cut.to === to));
  }

  loss(): number {
    return sum(this.#of('loss'));
  }

  duplication(): number {
    return sum(this.#of('duplication'));
  }

  delayMaxMs(): number {
    return this.#of('delay').reduce((most, { maxMs }) => Math.max(most, maxMs), 0);
  }

  noticeLoss(): number {
    return Math.max(NOTICE_LOSS, sum(this.#of('lost notices')));
  }

  isDatabaseAway(replica: string): boolean {
    return this.#of('no database').some((trouble) => trouble.replica === null || trouble.replica === replica);
  }

  statementFaults(replica: string): readonly { readonly fault: StatementFault; readonly rate: number }[] {
    return this.#of('statements').filter((trouble) => trouble.replica === null || trouble.replica === replica);
  }

  partnerMoods(): readonly { readonly mood: PartnerMood; readonly rate: number }[] {
    return this.#of('partner');
  }

  #of<K extends Trouble['kind']>(kind: K): Extract<Trouble, { kind: K }>[] {
    return [...this.#troubles].filter((trouble): trouble is Extract<Trouble, { kind: K }> => trouble.kind === kind);
  }
}

const sum = (troubles: readonly { readonly rate: number }[]): number =>
  Math.min(
    1,
    troubles.reduce((total, { rate }) => total + rate, 0),
  );
