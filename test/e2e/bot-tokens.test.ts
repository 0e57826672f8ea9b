/** A bot's token across two replicas, as real processes: it lets one bot in, and its end reaches a parked poll. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../cli/run-cli.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

const LINE = 'line-1';
const [ISSUER, AUDIENCE] = ['e2e', 'stationgrid'];

let site: Site;
let here: StandingFarm;
let there: StandingFarm;
const inSite = (name: string): string => join(site.folder, name);

/** A command of the admin's, at the first replica. */
const asAdmin = async (...words: readonly string[]) => {
  const env = {
    STATIONGRID_SERVER: here.address,
    STATIONGRID_INSTANCE: LINE,
    STATIONGRID_TOKEN_FILE: inSite('admin.jwt'),
  };
  const end = await runCli(words, { env });
  expect(end.code, end.stderr).toBe(0);
  return end.stdout;
};

beforeAll(async () => {
  site = await openSite({ lines: () => [{ instance: LINE }] });
  const key = await runCli(['jwt', 'key', '--out', inSite('key.json')]);
  writeFileSync(inSite('jwks.json'), key.stdout);
  const claims = ['--issuer', ISSUER, '--audience', AUDIENCE, '--subject', 'ada', '--role', '*:admin'];
  const jwt = await runCli(['jwt', 'sign', '--key', inSite('key.json'), ...claims]);
  expect(jwt.code, jwt.stderr).toBe(0);
  writeFileSync(inSite('admin.jwt'), jwt.stdout, { mode: 0o600 });
  const set = [
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
