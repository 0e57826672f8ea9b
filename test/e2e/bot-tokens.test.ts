/** A bot's token across two replicas, as real processes: it lets one bot in, and its end reaches a parked poll. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../cli/run-cli.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

const LINE = 'line-1';
const [ISSUER, AUDIENCE] = ['e2e', 'stationgrid'];

let site: Site;
let here: StandingFarm;
let there: StandingFarm;
let admin: string;
const inSite = (name: string): string => join(site.folder, name);

/** A JWT of the issuer's own, in a file. */
const signJwt = async (subject: string, role: string): Promise<string> => {
  const claims = ['--issuer', ISSUER, '--audience', AUDIENCE, '--subject', subject, '--role', role];
  const jwt = await runCli(['jwt', 'sign', '--key', inSite('key.json'), ...claims]);
  expect(jwt.code, jwt.stderr).toBe(0);
  const path = inSite(`${subject}.jwt`);
  writeFileSync(path, jwt.stdout, { mode: 0o600 });
  return path;
};

/** A command of the admin's, at the first replica. */
const asAdmin = async (...words: readonly string[]) => {
  const env = {
    STATIONGRID_SERVER: here.address,
    STATIONGRID_INSTANCE: LINE,
    STATIONGRID_TOKEN_FILE: admin,
  };
  const end = await runCli(words, { env });
  expect(end.code, end.stderr).toBe(0);
  return end.stdout;
};

beforeAll(async () => {
  site = await openSite({ lines: () => [{ instance: LINE }] });
  const key = await runCli(['jwt', 'key', '--out', inSite('key.json')]);
  writeFileSync(inSite('jwks.json'), key.stdout);
  admin = await signJwt('ada', '*:admin');
  const set = [
    'log.level=debug',
    'auth.botTokens=true',
    `auth.jwt.issuer=${ISSUER}`,
    `auth.jwt.audience=${AUDIENCE}`,
    'auth.jwt.algorithms=ES256',
    `auth.jwt.jwksFile=${inSite('jwks.json')}`,
  ];
  [here, there] = [await site.farm('here', { set }), await site.farm('there', { set })];
  await here.start();
  await there.start();
});
afterAll(() => site.close());

const bot = (botId: string, tokenFile: string) =>
  site.bot(botId, there, ['--instance', LINE, '--token-file', tokenFile]);

it('holds at every replica, for its own bot only, until it is revoked at any of them', async () => {
  expect(await asAdmin('whoami')).toContain('member:ada');
  await asAdmin('bot', 'token', 'create', 'fat-1', '--out', inSite('fat-1.token'));
  const own = bot('fat-1', inSite('fat-1.token'));
  const other = bot('fat-2', inSite('fat-1.token'));
  await own.start();
  await other.start();
  await eventually(() => expect(own.log()).toContain('session begun'));
  await eventually(() => expect(other.log()).toContain('does not let this bot in'));
  expect(other.log()).not.toContain('session begun');
  expect(own.log()).not.toContain('does not let this bot in');

  // Its poll is parked at the other replica, for 45 s if nobody ends it.
  await asAdmin('bot', 'token', 'revoke', 'fat-1');
  await eventually(() => expect(own.log()).toContain('was revoked'));
  const tokens: unknown = JSON.parse(await asAdmin('bot', 'token', 'list', '-o', 'json'));
  expect(tokens).toMatchObject([{ botId: 'fat-1', state: 'REVOKED', revokedBy: 'member:ada' }]);
});

it('is replaced under a bot that works, by rotation', async () => {
  const file = inSite('fat-3.token');
  await asAdmin('bot', 'token', 'create', 'fat-3', '--out', file);
  const rotated = bot('fat-3', file);
  await rotated.start();
  await eventually(() => expect(rotated.log()).toContain('session begun'));
  await asAdmin('bot', 'token', 'rotate', 'fat-3', '--out', file, '--overlap', '0s');
  const job = ['job', 'enqueue', '--station', 'FAT', '--handler', 'p=simulate', '--bot', 'fat-3'];
  expect(await asAdmin(...job, '--wait', '--timeout', '1min')).toContain('PASSED');
});

/** Asks the HTTP door of the first replica. */
const ask = async (method: string, path: string, tokenFile: string | null, body?: object) => {
  const headers = {
    ...(tokenFile === null ? {} : { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const url = `${here.httpUrl}/api/v1/instances/${LINE}${path}`;
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: JSON.parse(text) as Made & Listed };
};
type Made = { readonly secretText: string; readonly token: { readonly id: string } };
type Listed = { readonly tokens: readonly { readonly id: string; readonly state: string }[]; readonly reason: string };

const TOKEN = /^sgbot_[0-9a-f]{32}_[\w-]{43}$/;

it('is made, replaced, listed and ended over HTTP by an admin, by nobody else, and its secret is shown once', async () => {
  const [of, all] = ['/bots/fat-4/tokens', '/bot-tokens?bot=fat-4'];
  const operator = await signJwt('otto', `${LINE}:operator`);
  const elsewhere = await signJwt('eve', 'line-2:admin');
  const attempts = [
    ['GET', all],
    ['POST', of, {}],
    ['POST', `${of}/rotate`, {}],
    ['DELETE', of],
    ['DELETE', '/bot-tokens/00000000-0000-4000-8000-000000000000'],
  ] as const;
  for (const [method, path, body] of attempts) {
    for (const [as, status, reason] of [
      [null, 401, 'NO_CREDENTIALS'],
      [operator, 403, 'ROLE_MISSING'],
      [elsewhere, 403, 'ROLE_MISSING'],
    ] as const) {
      const refused = await ask(method, path, as, body);
      expect([refused.status, refused.json.reason], `${method} ${path}`).toEqual([status, reason]);
    }
  }
  expect((await ask('GET', all, admin)).json.tokens).toEqual([]);

  const first = await ask('POST', of, admin, { expiresIn: '1h' });
  expect([first.status, first.headers.get('cache-control')]).toEqual([201, 'no-store']);
  expect(first.json.secretText).toMatch(TOKEN);
  const again = await ask('POST', of, admin, {});
  expect([again.status, again.json.reason]).toEqual([409, 'BOT_HAS_TOKEN']);
  const second = await ask('POST', `${of}/rotate`, admin, { overlap: '1h' });
  expect(second.status).toBe(201);
  expect(second.json.secretText).toMatch(TOKEN);
  expect(second.json.secretText).not.toBe(first.json.secretText);
  const third = await ask('POST', `${of}/rotate`, admin, {});
  expect([third.status, third.json.reason]).toEqual([409, 'BOT_ROTATES_TOKEN']);

  // Both hold: each may say who it is.
  const secrets = [first, second].map(({ json }) => json.secretText);
  const files = secrets.map((secret, index) => {
    writeFileSync(inSite(`fat-4.${index}`), secret, { mode: 0o600 });
    return inSite(`fat-4.${index}`);
  });
  const whoAmI = (file: string) =>
    runCli(['whoami'], { env: { STATIONGRID_SERVER: there.address, STATIONGRID_TOKEN_FILE: file } });
  for (const file of files) expect((await whoAmI(file)).stdout).toContain(`bot:${LINE}/fat-4`);

  // By its id the older one; by its bot what is left.
  const ended = await ask('DELETE', `/bot-tokens/${first.json.token.id}`, admin);
  expect(ended.json.tokens).toMatchObject([{ id: first.json.token.id, state: 'REVOKED', revokedBy: 'member:ada' }]);
  const rest = await ask('DELETE', of, admin);
  expect(rest.json.tokens).toMatchObject([{ id: second.json.token.id, state: 'REVOKED' }]);
  const listed = await ask('GET', all, admin);
  expect(listed.json.tokens.map(({ state }) => state)).toEqual(['REVOKED', 'REVOKED']);
  expect((await ask('GET', `${all}&valid=true`, admin)).json.tokens).toEqual([]);
  for (const file of files) await eventually(async () => expect((await whoAmI(file)).stderr).toContain('was revoked'));

  const audit = await site.database(async (db) => {
    const { rows } = await db.query<{ text: string }>('select text from audit order by recorded_at, seq');
    return rows.map(({ text }) => text).join('\n');
  });
  for (const verb of ['create-bot-token', 'rotate-bot-token', 'revoke-bot-token'])
    expect(audit).toContain(`"verb":"${verb}"`);
  const readable = [here.log(), there.log(), audit, listed.text, ended.text, rest.text, again.text, third.text];
  for (const secret of secrets) {
    // The whole, and the part that proves anything.
    for (const part of [secret, secret.slice(-43)]) expect(readable.filter((text) => text.includes(part))).toEqual([]);
  }
});
