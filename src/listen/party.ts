/** Whom a connection counts against. */
import { isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** What one subscriber of IPv6 is given at the least: everybody has 2^64 addresses of their own. */
const PREFIX_GROUPS = 4;

/** An IPv4 address as it is, also where a door of IPv6 shows it mapped; of an IPv6 address its /64. */
export const partyOf = (address: string): string => {
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? `${groupsOf(address).slice(0, PREFIX_GROUPS).join(':')}::/64` : address;
};

/** The eight groups, each without leading zeros. */
const groupsOf = (address: string): readonly string[] => {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return [...before, ...zeros, ...after].map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
};
