/**
 * Which hosts and pages a request may come by: a page of somebody else's must not reach the farm through the browser of
 * whoever reads it, neither by its own requests nor by a name of its own that points here (DNS rebinding).
 */
import { isIP } from 'node:net';

/**
 * `any`: a door that only its network knows by name, and that asks for credentials, which a rebound name brings none of.
 * Otherwise these names; addresses and localhost besides.
 */
export type Names = 'any' | readonly string[];

export type Door = {
  /** The host it was told to listen on. */
  readonly boundTo: string;
  readonly names: Names;
};

export type Unwelcome = { readonly status: 421 | 403; readonly reason: string; readonly words: string };

/** Null: it may come. */
export const guard = (
  { host, origin }: { readonly host: string | undefined; readonly origin: string | undefined },
  door: Door,
): Unwelcome | null => {
  if (host !== undefined && !mayName(hostname(host), door)) {
    const words = `This door does not answer to the name ${JSON.stringify(host)}. Ask by address, by localhost, or by a name of \`doors.names\` in its configuration.`;
    return { status: 421, reason: 'HOST_NOT_OURS', words };
  }
  if (origin === undefined || origin === `http://${host ?? ''}` || origin === `https://${host ?? ''}`) return null;
  const words = `A page of ${JSON.stringify(origin)} may not use this farm. Call it from a program, or from its own pages.`;
  return { status: 403, reason: 'FOREIGN_ORIGIN', words };
};

/** An address cannot be rebound. */
const mayName = (name: string, { boundTo, names }: Door): boolean =>
  name === 'localhost' ||
  name.endsWith('.localhost') ||
  name === boundTo ||
  isIP(name) !== 0 ||
  names === 'any' ||
  names.some((own) => own.toLowerCase() === name);

/** Of a Host header, without port and brackets. */
const hostname = (host: string): string =>
  (/^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase().replace(/\.$/, '');
