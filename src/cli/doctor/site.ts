/** The installation as the checks see it: its configuration, and the way to it that bots have. */
import type { SecureContextOptions } from 'node:tls';
import { addressText } from '../../config/address.ts';
import { type Config, isLoopback } from '../../config.ts';
import type { Clock } from '../../core/clock.ts';

export type Address = { readonly host: string; readonly port: number };

/** Where the gRPC door is asked. */
export type Way = {
  /** As bots dial it. */
  readonly address: Address;
  /** `named`: by --server, and must answer. `own`: the door of the configuration, which may not be open yet. */
  readonly by: 'named' | 'own';
  /** Null: plain. `ca` absent: the system's authorities. */
  readonly tls: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> | null;
  /** A JWT for the health check; null: none. */
  readonly token: string | null;
};

export type Site = { readonly config: Config; readonly way: Way; readonly clock: Clock };

export const textOf = (address: Address): string => addressText(address);

/** Where to dial a door that listens there: nobody is reached at the wildcard. */
export const dialled = ({ host, port }: Address): Address => ({
  host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
  port,
});

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** Whether it must be in the certificate: what others call the farm by. */
export const isCalledFromAfar = (host: string): boolean => !isWildcard(host) && !isLoopback(host);
