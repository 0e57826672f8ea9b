/** Each line's shopfloor, and the issuer of JWTs: do they answer within the farm's patience? */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createShopfloorClient } from '../../bridge/shopfloor-client.ts';
import type { Config } from '../../config.ts';
import { withoutCredentials } from '../../core/secret.ts';
import { encodeCall } from '../../wire/xml-rpc.ts';
import { type Check, fail, type Finding, ok, skipped, warn, wordsOf } from './check.ts';
import type { Site } from './site.ts';

const aboutShopfloor = {
  what: "The line's shopfloor answers GetVersion within `limits.calls.timeout`.",
  why: 'While it does not, calls wait in their lanes, and no DUT passes a gate.',
  mend: 'Start it, check address and firewall; then `stationgrid shopfloor check URL` says what of it is not right.',
};

const aboutIssuer = {
  what: 'The keys by which JWTs are verified can be read.',
  why: 'Without them nobody has a role, and all calls of people and programs are refused.',
  mend: 'Correct auth.jwt.jwksFile or jwksUrl, or start the issuer.',
};

/** Beyond the client's own patience, so that it is the one that says what was missing. */
const AFTER_CLIENT_MS = 1_000;

export const partnerChecks = (site: Site): readonly Check[] => [...shopfloorChecks(site), issuerCheck(site)];

const shopfloorChecks = ({ config, clock }: Site): readonly Check[] => {
  const { timeoutMs, bodyBytesMax } = config.limits.calls;
  const lines = config.lines.flatMap(({ instance, shopfloor }) =>
    shopfloor === null ? [] : [{ instance, url: shopfloor.url.reveal() }],
  );
  if (lines.length === 0)
    return [{ ...aboutShopfloor, id: 'shopfloor', run: () => skipped('no line has a shopfloor') }];
  return lines.map(({ instance, url }) => ({
    ...aboutShopfloor,
    id: `shopfloor.${instance}`,
    boundMs: timeoutMs + AFTER_CLIENT_MS,
    run: async (signal): Promise<Finding> => {
      const options = { callTimeoutMs: timeoutMs, bodyMaxBytes: bodyBytesMax, keepsConnections: false };
      const client = createShopfloorClient({ url, clock, ...options });
      const exchange = await client.exchange(encodeCall('GetVersion', []), { idempotencyKey: randomUUID(), signal });
      const at = withoutCredentials(url);
      switch (exchange.kind) {
        case 'value':
          return ok(`${at} answers ${clip(JSON.stringify(exchange.value))}`);
        case 'fault':
          // It reads and answers: what it says to a unit's calls, the farm will see.
          return warn(`${at} answers with fault ${String(exchange.code)}: ${clip(exchange.text)}`);
        case 'refused':
        case 'ambiguous':
          return fail(`${at}: ${exchange.why}`);
      }
    },
  }));
};

const issuerCheck = ({ config }: Site): Check => ({
  ...aboutIssuer,
  id: 'auth.keys',
  run: async (signal) => {
    const { jwt } = config.auth;
    if (jwt === null) return skipped('no JWTs are taken');
    const at = jwt.jwksFile ?? withoutCredentials(jwt.jwksUrl ?? '');
    try {
      const keys = keysIn(await readKeys(jwt, signal));
      return keys === 0 ? fail(`${at} has no keys`) : ok(`${String(keys)} at ${at}`);
    } catch (error) {
      return fail(`${at}: ${wordsOf(error)}`);
    }
  },
});

type Jwt = NonNullable<Config['auth']['jwt']>;

const readKeys = async ({ jwksFile, jwksUrl }: Jwt, signal: AbortSignal): Promise<unknown> => {
  if (jwksFile !== null) return JSON.parse(await readFile(jwksFile, 'utf8'));
  const response = await fetch(jwksUrl ?? '', { signal, redirect: 'error' });
  if (!response.ok) throw new Error(`HTTP status ${String(response.status)}`);
  return response.json();
};

const keysIn = (set: unknown): number =>
  typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys) ? set.keys.length : 0;

const CLIP_CHARACTERS = 120;

const clip = (text: string): string => (text.length > CLIP_CHARACTERS ? `${text.slice(0, CLIP_CHARACTERS)}…` : text);
