/** Which of the credentials that a call shows decides who it is. */
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../src/core/principal.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { spiffeOf } from '../../src/core/spiffe.ts';
import type { Credentials } from '../../src/farm/identify.ts';
import { createCertificateReader } from '../../src/identity/certificates.ts';
import { createIdentity, type IdentityParts } from '../../src/identity/identity.ts';
import { createManualClock } from '../support/manual-clock.ts';

const FARM = 'farm.example';
const FAT = { instance: 'line-1', botId: 'fat-1' };
const clock = createManualClock();
const until = new AbortController().signal;
const ada: Principal = { kind: 'member', name: 'member:ada', grants: [] };
const fat: Principal = { kind: 'bot', name: 'bot:line-1/fat-1', bot: FAT };

const TOKEN = 'sgbot_fat';
const JWT = 'a.b.c';
const tokens: IdentityParts['tokens'] = { holderOf: () => Promise.resolve({ tokenId: '1', bot: FAT, until }) };
const jwt: IdentityParts['jwt'] = { memberOf: () => Promise.resolve({ principal: ada, until }) };

const certificates = createCertificateReader(FARM, { clock, rememberedMax: 100 });
const identify = (parts: Partial<IdentityParts> = {}) => createIdentity({ certificates, tokens, jwt, ...parts });
const later = new Date(clock.now().getTime() + 60_000);
const certificate = (...uris: readonly string[]): Credentials['certificate'] => ({ uris, validTo: later });
const fatCertificate = certificate(spiffeOf(FARM, FAT));
const show = async (credentials: Partial<Credentials>, parts: Partial<IdentityParts> = {}) =>
  identify(parts)({ bearer: null, certificate: null, ...credentials }).then(
    ({ principal }) => principal,
    (error: unknown) => (error instanceof Refusal ? error.reason : error),
  );

it('asks nobody where nothing is configured, whatever is shown', async () => {
  const none = { certificates: null, tokens: null, jwt: null };
  for (const bearer of [null, TOKEN, JWT, 'x']) expect(await show({ bearer }, none)).toEqual({ kind: 'open' });
});

it('names the ways in to who shows nothing', async () => {
  const wordsOf = (parts: Partial<IdentityParts>): Promise<string> =>
    identify(parts)({ bearer: null, certificate: null }).then(
      () => '',
      (error: unknown) => (error as Refusal).message,
    );
  expect(await show({})).toBe('NO_CREDENTIALS');
  expect(await wordsOf({ tokens: null, jwt: null })).toMatch(/spiffe:\/\/farm\.example\/(?!.*(sgbot_|JWT))/);
  expect(await wordsOf({ certificates: null, jwt: null })).toMatch(/sgbot_(?!.*(spiffe|JWT))/);
  expect(await wordsOf({ certificates: null, tokens: null })).toMatch(/JWT(?!.*(spiffe|sgbot_))/);
});

describe('a bearer', () => {
  it.for([
    [TOKEN, {}, fat],
    [JWT, {}, ada],
    [TOKEN, { tokens: null }, 'BEARER_NOT_TAKEN'],
    [JWT, { jwt: null }, 'BEARER_NOT_TAKEN'],
    ['opaque', {}, 'BEARER_UNREADABLE'],
    ['a.b', {}, 'BEARER_UNREADABLE'],
    ['a.b.c.d.e', {}, 'BEARER_UNREADABLE'],
  ] as const)('%s with %j is %j', async ([bearer, parts, who]) => {
    expect(await show({ bearer }, parts)).toEqual(who);
  });
});

describe('a certificate', () => {
  it('of a bot is that bot, alone or beside its own token', async () => {
    expect(await show({ certificate: fatCertificate })).toEqual(fat);
    expect(await show({ certificate: fatCertificate, bearer: TOKEN })).toEqual(fat);
  });

  it('of a bot is never widened by a bearer', async () => {
    const other = certificate(spiffeOf(FARM, { ...FAT, botId: 'fat-2' }));
    const elsewhere = certificate(spiffeOf(FARM, { ...FAT, instance: 'line-2' }));
    expect(await show({ certificate: fatCertificate, bearer: JWT })).toBe('CREDENTIALS_DISAGREE');
    expect(await show({ certificate: other, bearer: TOKEN })).toBe('CREDENTIALS_DISAGREE');
    expect(await show({ certificate: elsewhere, bearer: TOKEN })).toBe('CREDENTIALS_DISAGREE');
    expect(await show({ certificate: fatCertificate, bearer: 'x' })).toBe('BEARER_UNREADABLE');
  });

  it('that names somebody else’s bot is refused, whatever else is shown', async () => {
    const stranger = certificate(spiffeOf('another.example', FAT));
    expect(await show({ certificate: stranger })).toBe('CERTIFICATE_NOT_A_BOT');
    expect(await show({ certificate: stranger, bearer: JWT })).toBe('CERTIFICATE_NOT_A_BOT');
  });

  it('that names nobody leaves it to the bearer', async () => {
    expect(await show({ certificate: certificate('https://person.example/'), bearer: JWT })).toEqual(ada);
    expect(await show({ certificate: certificate() })).toBe('NO_CREDENTIALS');
  });

  it('says nothing where no trust domain is configured', async () => {
    expect(await show({ certificate: fatCertificate }, { certificates: null })).toBe('NO_CREDENTIALS');
    expect(await show({ certificate: fatCertificate, bearer: JWT }, { certificates: null })).toEqual(ada);
  });

  it('holds no longer than it says, though its connection does', async () => {
    const over = { uris: [spiffeOf(FARM, FAT)], validTo: clock.now() };
    expect(await show({ certificate: over })).toBe('CERTIFICATE_EXPIRED');
  });

  describe('ends the calls under it when it ends', () => {
    const HOUR_MS = 3_600_000;
    const endingIn = (ms: number): NonNullable<Credentials['certificate']> => ({
      uris: [spiffeOf(FARM, FAT)],
      validTo: new Date(clock.now().getTime() + ms),
    });

    it('at that moment, and not before', async () => {
      const ask = identify();
      const shorter = { bearer: null, certificate: endingIn(HOUR_MS) };
      const longer = { bearer: null, certificate: endingIn(2 * HOUR_MS) };
      const [{ until }, again, { until: laterEnd }] = [await ask(shorter), await ask(shorter), await ask(longer)];
      // However many calls there are, one timer waits.
      expect(again.until).toBe(until);
      await clock.advance(HOUR_MS - 1);
      expect(until.aborted).toBe(false);
      await clock.advance(1);
      expect(until.reason).toMatchObject({ kind: 'UNAUTHENTICATED', reason: 'CERTIFICATE_EXPIRED' });
      expect(laterEnd.aborted).toBe(false);
    });

    it('years from now too, which no timer waits for at once', async () => {
      const { until } = await identify()({ bearer: null, certificate: endingIn(400 * 24 * HOUR_MS) });
      await clock.advance(400 * 24 * HOUR_MS - 1);
      expect(until.aborted).toBe(false);
      await clock.advance(1);
      expect(until.aborted).toBe(true);
    });

    it('and those that were silent longest when there are too many, who may call again', async () => {
      const two = createCertificateReader(FARM, { clock, rememberedMax: 2 });
      const ask = identify({ certificates: two });
      const [first, second, third] = [1, 2, 3].map((hours) => ({
        bearer: null,
        certificate: endingIn(hours * HOUR_MS),
      }));
      const [{ until }, { until: silent }] = [await ask(first!), await ask(second!)];
      await ask(first!);
      await ask(third!);
      expect(silent.reason).toMatchObject({ kind: 'UNAVAILABLE', reason: 'CREDENTIALS_LET_GO' });
      expect(until.aborted).toBe(false);
      expect((await ask(first!)).until).toBe(until);
      const again = await ask(second!);
      expect([again.principal, again.until.aborted]).toEqual([fat, false]);
    });

    it.for([
      ['the certificate', 'CERTIFICATE_EXPIRED'],
      ['the token', 'TOKEN_REVOKED'],
    ] as const)('or its token does, where both are shown: %s', async ([first, reason]) => {
      const held = new AbortController();
      const ask = identify({
        tokens: { holderOf: () => Promise.resolve({ tokenId: '1', bot: FAT, until: held.signal }) },
      });
      const both = { bearer: TOKEN, certificate: endingIn(HOUR_MS) };
      const { until } = await ask(both);
      expect((await ask(both)).until).toBe(until);
      if (first === 'the token') held.abort(new Refusal('UNAUTHENTICATED', 'TOKEN_REVOKED', 'It was revoked.'));
      else await clock.advance(HOUR_MS);
      expect(until.reason).toMatchObject({ reason });
    });
  });
});
