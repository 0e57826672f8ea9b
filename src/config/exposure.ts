/** Which doors other machines can reach, and what a farm must ask of them before they may. */
import { isIP } from 'node:net';
import { type Address, addressText } from './units.ts';

export const OVERRIDE_FLAG = '--i-know-that-anyone-on-this-network-can-falsify-results';

export type Exposed = {
  readonly doors: {
    readonly grpc: Address;
    readonly http: Address;
    readonly iKnowThatAnyoneOnThisNetworkCanFalsifyResults: boolean;
  };
  readonly tls: 'terminated-by-proxy' | { readonly clientAuthorities: string | null } | null;
  readonly auth: { readonly farm: string | null; readonly botTokens: boolean; readonly jwt: unknown };
};

/** Whether only this machine can reach what listens there. Of a name we know only what it is by definition. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  (isIP(host) === 4 && host.startsWith('127.'));

/** Whether a caller must say who it is, by any of the ways there are. */
export const asksCredentials = ({ auth, tls }: Pick<Exposed, 'auth' | 'tls'>): boolean => {
  const byCertificate = auth.farm !== null && tls !== null && typeof tls === 'object' && tls.clientAuthorities !== null;
  return byCertificate || auth.botTokens || auth.jwt !== null;
};

/** The doors that other machines can reach, of those that change anything. `doors.ops` shows nothing secret, and may. */
export const wideDoors = ({ doors }: Pick<Exposed, 'doors'>): readonly string[] =>
  (['grpc', 'http'] as const).flatMap((name) =>
    isLoopback(doors[name].host) ? [] : [`doors.${name} (${addressText(doors[name])})`],
  );

/** @param isProduction as NODE_ENV says. */
export const exposureMisfits = (config: Exposed, isProduction: boolean): readonly string[] => {
  const overridden = config.doors.iKnowThatAnyoneOnThisNetworkCanFalsifyResults;
  if (overridden && isProduction)
    return [`${OVERRIDE_FLAG} is refused where NODE_ENV is production. Configure \`tls\` and \`auth\` instead.`];
  const wide = wideDoors(config);
  if (wide.length === 0 || overridden) return [];
  const lacking = [
    ...(config.tls === null
      ? [
          'there is no TLS: set `tls.certificate` and `tls.key`, or `tls: terminated-by-proxy` behind a proxy that does it',
        ]
      : []),
    ...(asksCredentials(config) ? [] : ['nobody is asked for credentials: set `auth`']),
  ];
  if (lacking.length === 0) return [];
  return [
    `${wide.join(' and ')} can be reached by other machines, where anyone could falsify results, since ` +
      `${lacking.join(', and since ')}. docs/how-to/secure.md shows how. Or stay on loopback: 127.0.0.1.`,
  ];
};
