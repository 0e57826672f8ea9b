/** JWTs against a real issuer: keys of its own, in a file or behind a real HTTP server. */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, type CryptoKey, type JWK, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CannotStart } from '../../src/core/cannot-start.ts';
import type { Refusal } from '../../src/core/refusal.ts';
import { openKeys } from '../../src/identity/jwks.ts';
import { createJwtReader, type JwtReader, type JwtRules } from '../../src/identity/jwt.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const ISSUER = 'https://id.example/';
const FARM = 'stationgrid-lines';
const SKEW_MS = 30_000;
const rules: JwtRules = {
  issuer: ISSUER,
  audience: FARM,
  algorithms: ['RS256', 'ES256', 'EdDSA'],
  rolesClaim: 'stationgrid_roles',
  clockSkewMs: SKEW_MS,
};

type Key = { readonly kid: string; readonly alg: string; readonly privateKey: CryptoKey; readonly jwk: JWK };
const makeKey = async (kid: string, alg = 'ES256'): Promise<Key> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
};

let key: Key;
let folder: string;
beforeAll(async () => {
  key = await makeKey('k1');
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-jwt-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Opened = { readonly reader: JwtReader; readonly clock: ManualClock; readonly warned: object[] };

const openReader = async (source: Parameters<typeof openKeys>[0], changes: Partial<JwtRules> = {}): Promise<Opened> => {
  // jose compares with the wall clock only what it is not given; the rest is on this one.
  const clock = createManualClock(new Date());
  const warned: object[] = [];
  const note = (facts: object): void => void warned.push(facts);
  const log = { info: () => undefined, warn: note, error: note };
  let forget = (): void => undefined;
  const keys = await openKeys(source, { clock, log, onChange: () => forget() });
  const reader = createJwtReader({ ...rules, ...changes }, keys.keyOf, { clock, log });
  forget = reader.forgetAll;
  closers.push(() => {
    reader.stop();
    return keys.stop();
  });
  return { reader, clock, warned };
};

const keysFile = (name: string, keys: readonly JWK[]): string => {
  const path = join(folder, name);
  // As it should be written: never half there.
  writeFileSync(`${path}.new`, JSON.stringify({ keys }));
  renameSync(`${path}.new`, path);
  return path;
};
const openWithFile = (changes: Partial<JwtRules> = {}): Promise<Opened> =>
  openReader({ kind: 'file', path: keysFile('jwks.json', [key.jwk]) }, changes);

const claims = { iss: ISSUER, aud: FARM, sub: 'ada', stationgrid_roles: ['line-1:operator'] };
/** `exp` and the like: seconds from now by the clock of the test. */
const sign = (
  { clock }: Pick<Opened, 'clock'>,
  {
    by = key,
    header = {},
    exp = 3_600,
    ...changed
  }: Record<string, unknown> & { by?: Key; header?: object; exp?: number | null } = {},
): Promise<string> => {
  const nowSeconds = Math.floor(clock.now().getTime() / 1000);
  const payload = Object.fromEntries(
    Object.entries({ ...claims, ...(exp === null ? {} : { exp: nowSeconds + exp }), ...changed }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  return new SignJWT(payload).setProtectedHeader({ alg: by.alg, kid: by.kid, ...header }).sign(by.privateKey);
};
const reasonOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'held',
    (error: unknown) => (error as Refusal).reason,
  );

it('makes its subject a member with the roles that it grants', async () => {
  const opened = await openWithFile();
  const stationgrid_roles = ['line-1:operator', '*:viewer', ':submitter', 'a:b:admin', 'line-2:bridge'];
  const { principal } = await opened.reader.memberOf(await sign(opened, { stationgrid_roles }));
  expect(principal).toEqual({
    kind: 'member',
    name: 'member:ada',
    grants: [
      { instance: 'line-1', role: 'operator' },
      { instance: '*', role: 'viewer' },
      { instance: '', role: 'submitter' },
      { instance: 'a:b', role: 'admin' },
      { instance: 'line-2', role: 'bridge' },
    ],
  });
  expect(opened.warned).toEqual([]);
});

it('passes over what is no role, a bot’s among them, and says so in the log', async () => {
  const opened = await openWithFile();
  const stationgrid_roles = ['line-1:bot', 'line-1:root', 'viewer', 7, 'line-1:viewer'];
  const { principal } = await opened.reader.memberOf(await sign(opened, { stationgrid_roles }));
  expect(principal).toMatchObject({ grants: [{ instance: 'line-1', role: 'viewer' }] });
  expect(opened.warned).toHaveLength(4);
});

it('grants nothing where the claim is missing', async () => {
  const opened = await openWithFile();
  const { principal } = await opened.reader.memberOf(await sign(opened, { stationgrid_roles: undefined }));
  expect(principal).toMatchObject({ kind: 'member', grants: [] });
});

describe('is refused', () => {
  it.for<readonly [string, Parameters<typeof sign>[1], string]>([
    ['of another issuer', { iss: 'https://evil.example/' }, 'JWT_ISSUER'],
    ['for somebody else', { aud: 'another' }, 'JWT_AUDIENCE'],
    ['for nobody', { aud: undefined }, 'JWT_AUDIENCE'],
    ['that never ends', { exp: null }, 'JWT_NO_EXPIRY'],
    ['that ended', { exp: -31 }, 'JWT_EXPIRED'],
    ['that begins later', { nbf: Math.floor(Date.now() / 1000) + 3_000 }, 'JWT_NOT_YET'],
    ['of nobody', { sub: undefined }, 'JWT_SUBJECT'],
    ['of an empty name', { sub: '' }, 'JWT_SUBJECT'],
    ['of a name with a line break', { sub: 'ada\nbot:line-1/b' }, 'JWT_SUBJECT'],
    ['of an unknown key', { header: { kid: 'k9' } }, 'JWT_KEY_UNKNOWN'],
  ])('%s', async ([, changes, reason]) => {
    const opened = await openWithFile();
    expect(await reasonOf(opened.reader.memberOf(await sign(opened, changes)))).toBe(reason);
  });

  it('with another key under the same name', async () => {
    const opened = await openWithFile();
    const jwt = await sign(opened, { by: await makeKey('k1') });
    expect(await reasonOf(opened.reader.memberOf(jwt))).toBe('JWT_SIGNATURE');
  });

  it('without a signature', async () => {
    const opened = await openWithFile();
    const [, payload] = (await sign(opened)).split('.');
    const header = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await reasonOf(opened.reader.memberOf(`${header}.${payload!}.`))).toBe('JWT_ALGORITHM');
    expect(await reasonOf(opened.reader.memberOf(`${header}.${payload!}.AA`))).toBe('JWT_ALGORITHM');
  });

  it('signed by the public key as a shared secret', async () => {
    const opened = await openWithFile();
    const shared = Buffer.from(JSON.stringify(key.jwk));
    const jwt = await new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(shared);
    expect(await reasonOf(opened.reader.memberOf(jwt))).toBe('JWT_ALGORITHM');
  });

  it('by an algorithm that is not on the list', async () => {
    const opened = await openWithFile({ algorithms: ['EdDSA'] });
    expect(await reasonOf(opened.reader.memberOf(await sign(opened)))).toBe('JWT_ALGORITHM');
  });

  it('changed by a letter, or too long, in words that repeat nothing of it', async () => {
    const opened = await openWithFile();
    const [header, , signature] = (await sign(opened)).split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'canary-3f', exp: 9e9 })).toString('base64url');
    for (const jwt of [`${header!}.${forged}.${signature!}`, `${header!}.${'x'.repeat(20_000)}.y`, 'x.y.z']) {
      const refusal = await opened.reader.memberOf(jwt).catch((error: unknown) => error as Refusal);
      expect(refusal).toMatchObject({ kind: 'UNAUTHENTICATED' });
      expect(JSON.stringify([(refusal as Refusal).message, refusal])).not.toMatch(/canary|xxxx/);
    }
  });
});

describe('its end', () => {
  it('comes with exp and the skew, for new calls and for what goes on', async () => {
    const opened = await openWithFile();
    const { reader, clock } = opened;
    const jwt = await sign(opened, { exp: 60 });
    const { until } = await reader.memberOf(jwt);
    await clock.advance(60_000 + SKEW_MS - 2_000);
    expect(await reasonOf(reader.memberOf(jwt))).toBe('held');
    expect(until.aborted).toBe(false);
    await clock.advance(2_001);
    expect(until.aborted).toBe(true);
    expect(until.reason).toMatchObject({ reason: 'JWT_EXPIRED' });
    expect(await reasonOf(reader.memberOf(jwt))).toBe('JWT_EXPIRED');
  });

  it('is waited for however far ahead it lies', async () => {
    const opened = await openWithFile();
    const { until } = await opened.reader.memberOf(await sign(opened, { exp: 40 * 24 * 3_600 }));
    await opened.clock.advance(39 * 24 * 3_600_000);
    expect(until.aborted).toBe(false);
    await opened.clock.advance(2 * 24 * 3_600_000);
    expect(until.aborted).toBe(true);
  });
});

describe('one JWT', () => {
  const RECHECKED_MS = 10 * 60_000;

  it('has one end for all its calls: those that came at once, and those after it was verified again', async () => {
    const opened = await openWithFile();
    const { reader, clock } = opened;
    const jwt = await sign(opened);
    const [one, other] = await Promise.all([reader.memberOf(jwt), reader.memberOf(jwt)]);
    await clock.advance(RECHECKED_MS);
    const later = await reader.memberOf(jwt);
    expect([one.until === other.until, one.until === later.until]).toEqual([true, true]);
    reader.forgetAll();
    expect(one.until.reason).toMatchObject({ kind: 'UNAVAILABLE', reason: 'JWT_KEYS_CHANGED' });
    expect((await reader.memberOf(jwt)).until.aborted).toBe(false);
  });

  it('ends for what goes on under it, too, when it holds no longer at the second look', async () => {
    let keys = [key.jwk];
    const clock = createManualClock(new Date());
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const reader = createJwtReader(rules, (header, jws) => createLocalJWKSet({ keys })(header, jws), { clock, log });
    closers.push(reader.stop);
    const jwt = await sign({ clock });
    const { until } = await reader.memberOf(jwt);
    keys = [(await makeKey('k2')).jwk];
    await clock.advance(RECHECKED_MS);
    expect(until.aborted).toBe(false);
    expect(await reasonOf(reader.memberOf(jwt))).toBe('JWT_KEY_UNKNOWN');
    expect(until.reason).toMatchObject({ reason: 'JWT_KEY_UNKNOWN' });
  });

  it('that was verified by keys that were taken back meanwhile is verified again by the new ones', async () => {
    const opened = await openWithFile();
    const jwt = await sign(opened);
    const asked = reasonOf(opened.reader.memberOf(jwt));
    opened.reader.forgetAll();
    expect(await asked).toBe('JWT_KEYS_CHANGED');
    expect(await reasonOf(opened.reader.memberOf(jwt))).toBe('held');
  });
});

describe('keys in a file', () => {
  it('are read again when they change, and what the former ones signed is judged anew', async () => {
    const path = keysFile('turns.json', [key.jwk]);
    const opened = await openReader({ kind: 'file', path });
    const { reader, clock } = opened;
    const former = await sign(opened);
    const { until } = await reader.memberOf(former);
    const next = await makeKey('k2', 'EdDSA');
    expect(await reasonOf(reader.memberOf(await sign(opened, { by: next })))).toBe('JWT_KEY_UNKNOWN');
    keysFile('turns.json', [next.jwk]);
    await clock.advance(2_000);
    // The reading of a file takes its time on another clock.
    await expect.poll(() => until.aborted, { timeout: 30_000 }).toBe(true);
    expect(until.reason).toMatchObject({ kind: 'UNAVAILABLE', reason: 'JWT_KEYS_CHANGED' });
    expect(await reasonOf(reader.memberOf(former))).toBe('JWT_KEY_UNKNOWN');
    expect(await reasonOf(reader.memberOf(await sign(opened, { by: next })))).toBe('held');
  });

  it('stay in force when the file becomes unreadable', async () => {
    const path = keysFile('broken.json', [key.jwk]);
    const opened = await openReader({ kind: 'file', path });
    writeFileSync(path, '{');
    await opened.clock.advance(2_000);
    await expect.poll(() => opened.warned.length, { timeout: 30_000 }).toBe(1);
    expect(await reasonOf(opened.reader.memberOf(await sign(opened)))).toBe('held');
  });

  it.for<readonly [string, () => string]>([
    ['no JSON', () => '{'],
    ['no set', () => '[]'],
    ['no key', () => '{"keys":[]}'],
    ['a shared secret', () => JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA' }] })],
    ['a private key', () => JSON.stringify({ keys: [{ ...key.jwk, d: 'AAAA' }] })],
  ])('that hold %s keep the farm from starting', async ([name, text]) => {
    const path = join(folder, `${name}.json`);
    writeFileSync(path, text());
    await expect(openReader({ kind: 'file', path })).rejects.toThrow(CannotStart);
  });
});

describe('keys at a URL', () => {
  const listen = async (answer: () => { readonly status: number; readonly body: string }) => {
    let asked = 0;
    const server: Server = createServer((_request, response) => {
      asked += 1;
      const { status, body } = answer();
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return { url: new URL(`http://127.0.0.1:${port}/jwks.json`), asked: () => asked };
  };

  it('are fetched once for many calls', async () => {
    const { url, asked } = await listen(() => ({ status: 200, body: JSON.stringify({ keys: [key.jwk] }) }));
    const opened = await openReader({ kind: 'url', url });
    for (const sub of ['ada', 'bob', 'cyd'])
      expect(await reasonOf(opened.reader.memberOf(await sign(opened, { sub })))).toBe('held');
    expect(asked()).toBe(1);
  });

  it('that cannot be had are an outage, and no fault of the caller’s', async () => {
    let status = 500;
    const { url } = await listen(() => ({ status, body: JSON.stringify({ keys: [key.jwk] }) }));
    const opened = await openReader({ kind: 'url', url });
    const refusal = await opened.reader.memberOf(await sign(opened)).catch((error: unknown) => error as Refusal);
    expect(refusal).toMatchObject({ kind: 'UNAVAILABLE', reason: 'JWT_KEYS_AWAY' });
    status = 200;
    expect(await reasonOf(opened.reader.memberOf(await sign(opened)))).toBe('held');
  });

  it('of a dead address are an outage too', async () => {
    const opened = await openReader({ kind: 'url', url: new URL('http://127.0.0.1:1/jwks.json') });
    expect(await reasonOf(opened.reader.memberOf(await sign(opened)))).toBe('JWT_KEYS_AWAY');
  });
});
