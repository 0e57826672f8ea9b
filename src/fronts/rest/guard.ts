/**
 * Who may come in without credentials: a page of somebody else's must not reach the farm through the browser of whoever
 * reads it, neither by its own requests nor by a name of its own that points here (DNS rebinding).
 */
import { isIP } from 'node:net';
import { type Problem, problem } from './problem.ts';

/** @param boundTo the host the door was told to listen on. */
export const guard = (
  { host, origin }: { readonly host: string | undefined; readonly origin: string | undefined },
  boundTo: string,
): Problem | null => {
  if (host !== undefined && isLoopback(boundTo) && !mayName(hostname(host), boundTo)) {
    const words = `This door answers on loopback, to localhost or an address, not to the name ${JSON.stringify(host)}.`;
    return problem(421, 'HOST_NOT_OURS', words);
  }
  if (origin === undefined || origin === `http://${host ?? ''}` || origin === `https://${host ?? ''}`) return null;
  const words = `A page of ${JSON.stringify(origin)} may not use this farm. Call it from a program, or from its own pages.`;
  return problem(403, 'FOREIGN_ORIGIN', words);
};

/** A door opened to the network has names that only its network knows, so there any is taken. */
const isLoopback = (boundTo: string): boolean =>
  boundTo === 'localhost' || boundTo === '::1' || (isIP(boundTo) === 4 && boundTo.startsWith('127.'));

/** An address cannot be rebound. */
const mayName = (name: string, boundTo: string): boolean =>
  name === 'localhost' || name.endsWith('.localhost') || name === boundTo || isIP(name) !== 0;

/** Of a Host header, without port and brackets. */
const hostname = (host: string): string =>
  (/^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase().replace(/\.$/, '');
