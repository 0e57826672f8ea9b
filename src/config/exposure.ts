/** Which doors other machines can reach, and what a farm must ask of them before they may. */
import { isIP } from 'node:net';
import { type Address, addressText } from './address.ts';

export const OVERRIDE_FLAG = '--i-know-that-anyone-on-this-network-can-falsify-results';

export type Exposed = {
  readonly doors: {
    readonly grpc: Address;
    readonly http: Address;
    readonly factory: Address | null;
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
  (['grpc', 'http', 'factory'] as const).flatMap((name) => wide(name, doors[name]));

const wide = (name: string, address: Address | null): readonly string[] =>
  address === null || isLoopback(address.host) ? [] : [`doors.${name} (${addressText(address)})`];

/** @param isProduction as NODE_ENV says. */
export const exposureMisfits = (config: Exposed, isProduction: boolean): readonly string[] => {
  const overridden = config.doors.iKnowThatAnyoneOnThisNetworkCanFalsifyResults;
  if (overridden && isProduction)
    return [`${OVERRIDE_FLAG} is refused where NODE_ENV is production. Configure \`tls\` and \`auth\` instead.`];
  if (overridden) return [];
  const noTls =
    config.tls === null
      ? [
          'there is no TLS: set `tls.certificate` and `tls.key`, or `tls: terminated-by-proxy` behind a proxy that does it',
        ]
      : [];
  const noCredentials = asksCredentials(config) ? [] : ['nobody is asked for credentials: set `auth`'];
  const { grpc, http, factory } = config.doors;
  return [
    ...misfit([...wide('grpc', grpc), ...wide('http', http)], [...noTls, ...noCredentials]),
    // DUTs can show no credentials, so none are missing here.
    ...misfit(wide('factory', factory), noTls),
  ];
};

const misfit = (doors: readonly string[], lacking: readonly string[]): readonly string[] =>
  doors.length === 0 || lacking.length === 0
    ? []
    : [
        `${doors.join(' and ')} can be reached by other machines, where anyone could falsify results, since ` +
          `${lacking.join(', and since ')}. docs/how-to/secure.md shows how. Or stay on loopback: 127.0.0.1.`,
      ];
