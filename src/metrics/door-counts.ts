/** Connections to the doors, and the certificate they show. */
import type { Instruments } from './instruments.ts';

export type DoorCounts = {
  readonly opened: () => void;
  readonly closed: () => void;
  /** @param reason one of a few. */
  readonly refused: (reason: string) => void;
};

export type TlsCounts = {
  readonly certificateExpires: (at: Date) => void;
  readonly reloadFailed: () => void;
};

export const createDoorCounts = (m: Instruments, door: string): DoorCounts => ({
  opened: () => {
    m.stationgrid_connections.inc({ door });
  },
  closed: () => {
    m.stationgrid_connections.dec({ door });
  },
  refused: (reason) => {
    m.stationgrid_connections_refused_total.inc({ door, reason });
  },
});

export const createTlsCounts = (m: Instruments): TlsCounts => ({
  certificateExpires: (at) => {
    m.stationgrid_tls_certificate_expires_timestamp_seconds.set(at.getTime() / 1000);
  },
  reloadFailed: () => {
    m.stationgrid_tls_reload_failures_total.inc();
  },
});
