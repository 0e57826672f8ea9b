/** One question to a partner's shopfloor, and what came of it. */
import type { Partner } from './partner.ts';

export type Finding =
  /** `saw`: worth telling all the same; null: nothing. */
  | { readonly kind: 'passed'; readonly saw: string | null }
  | { readonly kind: 'failed'; readonly saw: string }
  | { readonly kind: 'skipped'; readonly saw: string };

export type Check = {
  readonly id: string;
  /** `must`: calls are lost, refused or doubled without it. `should`: a stock DUT, or a bad day, will ask for it. */
  readonly level: 'must' | 'should';
  readonly what: string;
  readonly why: string;
  readonly mend: string;
  /** Ids of checks that must have passed, or this one would only repeat what they said. */
  readonly needs: readonly string[];
  /** For services that are spoken to in plain XML-RPC. */
  readonly xmlOnly?: true;
  readonly run: (partner: Partner) => Promise<Finding>;
};

export const passed = (saw: string | null = null): Finding => ({ kind: 'passed', saw });
export const failed = (saw: string): Finding => ({ kind: 'failed', saw });
export const skipped = (saw: string): Finding => ({ kind: 'skipped', saw });

/** The first that did not pass, else a pass. */
export const firstFailure = (findings: readonly Finding[]): Finding =>
  findings.find(({ kind }) => kind === 'failed') ?? passed();
