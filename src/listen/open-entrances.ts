/** What the doors of a replica stand on: one TLS for all of them, and a keeper for each. */
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';
import { createDoorkeeper, type DoorWitness } from './doorkeeper.ts';
import type { Entrance } from './keep-door.ts';
import { tellRefusals } from './tell-refusals.ts';
import type { TlsPaths } from './tls-files.ts';
import { openTlsKeeper, type TlsKeeper } from './tls-keeper.ts';

type Say = (facts: Readonly<Record<string, unknown>>, sentence: string) => void;

export type EntranceSeams = {
  readonly limits: Limits['doors'];
  readonly clock: Clock;
  readonly log: { readonly info: Say; readonly warn: Say; readonly error: Say };
  /** What counts. */
  readonly metrics: {
    readonly door: (name: string) => {
      readonly opened: () => void;
      readonly closed: () => void;
      readonly refused: (reason: string) => void;
    };
    readonly tls: { readonly certificateExpires: (at: Date) => void; readonly reloadFailed: () => void };
  };
};

export type Entrances = {
  /** @param door its name, for metrics and logs. */
  readonly at: (door: string) => Entrance;
  readonly stop: () => void;
};

/**
 * @param tls null: plain doors.
 * @throws CannotStart when the files of `tls` cannot be used.
 */
export const openEntrances = (tls: TlsPaths | 'terminated-by-proxy' | null, seams: EntranceSeams): Entrances => {
  const keeper = tls === null || tls === 'terminated-by-proxy' ? null : openTls(tls, seams);
  const { limits, clock } = seams;
  return {
    at: (door) => ({
      tls: keeper,
      keeper: createDoorkeeper({
        limits,
        clock,
        witness: witnessOf(door, seams),
        behindProxy: tls === 'terminated-by-proxy',
      }),
    }),
    stop: () => keeper?.stop(),
  };
};

const openTls = (paths: TlsPaths, { limits, clock, log, metrics }: EntranceSeams): TlsKeeper =>
  openTlsKeeper({
    paths,
    checkMs: limits.certificatesCheckMs,
    clock,
    witness: {
      certificateExpires: metrics.tls.certificateExpires,
      reloaded: (expiresAt) => {
        log.info({ expiresAt }, 'the files of tls have changed: new connections get the new certificate');
      },
      reloadFailed: (why) => {
        metrics.tls.reloadFailed();
        log.error({ why }, 'the files of tls have changed and cannot be used: the certificate before them stays');
      },
    },
  });

const witnessOf = (door: string, { clock, log, metrics }: EntranceSeams): DoorWitness => {
  const counts = metrics.door(door);
  const tell = tellRefusals(clock, (told) => {
    log.warn({ door, ...told }, 'connections were refused');
  });
  return {
    opened: counts.opened,
    closed: counts.closed,
    refused: (reason, peer, why) => {
      counts.refused(reason);
      tell(reason, peer, why);
    },
  };
};
