/** What the factory door tells whoever counts. */
import type { UploadKind } from '../../core/upload.ts';

export type FactoryCounts = {
  /** @param method one of the table, or `other`. */
  readonly called: (call: {
    readonly method: string;
    readonly outcome: 'answered' | 'fault' | 'later' | 'repeat';
    readonly seconds: number;
  }) => void;
  /** Events of Testlog. @param fate dropped: below the level that is kept. */
  readonly told: (fate: 'kept' | 'repeated' | 'quarantined' | 'dropped', events: number) => void;
  readonly uploaded: (kind: UploadKind, fate: 'kept' | 'repeated', bytes: number) => void;
};
