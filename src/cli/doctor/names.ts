/** Do the names in use stand for addresses? */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isLoopback, shopfloorUrls } from '../../config.ts';
import { toShopfloorUrl } from '../../core/shopfloor-url.ts';
import { type Check, fail, ok, skipped, wordsOf } from './check.ts';
import type { Site } from './site.ts';

const about = {
  what: 'A name in the configuration stands for addresses, as this machine asks for them.',
  why: 'A door with a name that nobody knows does not open; a partner or a database behind one is never reached.',
  mend: 'Correct the name, or add it to the DNS (or to the hosts file) of this machine.',
};

export const nameChecks = (site: Site): readonly Check[] => {
  const names = [...namesIn(site)];
  if (names.length === 0)
    return [{ ...about, id: 'dns', run: () => skipped('all addresses are numbers, or this machine itself') }];
  return names.map(([name, users]) => ({
    ...about,
    id: `dns.${name}`,
    run: async () => {
      try {
        const found = await lookup(name, { all: true });
        return ok(`${found.map(({ address }) => address).join(', ')}, for ${users.join(', ')}`);
      } catch (error) {
        return fail(`${wordsOf(error)}, for ${users.join(', ')}`);
      }
    },
  }));
};

/** Each name once, with the keys that use it. */
const namesIn = ({ config, way }: Site): ReadonlyMap<string, readonly string[]> => {
  const { doors, databaseUrl, ownerDatabaseUrl, auth } = config;
  const used: readonly (readonly [string, string])[] = [
    ['doors.grpc', doors.grpc.host],
    ['doors.http', doors.http.host],
    ['doors.ops', doors.ops?.host ?? ''],
    ['doors.factory', doors.factory?.host ?? ''],
    ['--server', way.by === 'named' ? way.address.host : ''],
    ['databaseUrl', hostOf(databaseUrl?.reveal())],
    ['ownerDatabaseUrl', hostOf(ownerDatabaseUrl?.reveal())],
    ['auth.jwt.jwksUrl', hostOf(auth.jwt?.jwksUrl ?? undefined)],
    ...[...shopfloorUrls(config).values()].map((url) => ['shopfloor.url', shopfloorHost(url.reveal())] as const),
  ];
  const names = new Map<string, string[]>();
  for (const [key, host] of used) {
    if (host === '' || isIP(host.replace(/%.*$/, '')) !== 0 || isLoopback(host)) continue;
    const users = names.get(host) ?? [];
    if (!users.includes(key)) users.push(key);
    names.set(host, users);
  }
  return names;
};

/** Empty: there is none, as for the socket of a database on this machine. */
const hostOf = (url: string | undefined): string => {
  if (url === undefined || !URL.canParse(url)) return '';
  const { hostname, searchParams } = new URL(url);
  const host = decodeURIComponent(searchParams.get('host') ?? hostname).replace(/^\[|\]$/g, '');
  return host.startsWith('/') ? '' : host;
};

const shopfloorHost = (url: string): string => {
  const read = toShopfloorUrl(url);
  return read.kind === 'url' ? hostOf(read.url.href) : '';
};
