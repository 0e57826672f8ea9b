/** A bot whose credentials come from files, at doors that ask for them. */
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBot } from '../../bot/create-bot.ts';
import { type CredentialFiles, readCredentials } from '../../bot/credential-files.ts';
import { revokeBotToken } from '../../src/farm/revoke-bot-token.ts';
import { openSecuredDoors, type SecuredDoors } from '../fronts/secured-doors.ts';

let folder: string;
let doors: SecuredDoors | null = null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bot-'));
});
afterEach(async () => {
  await doors?.close();
  doors = null;
  await rm(folder, { recursive: true });
});

const none: CredentialFiles = { ca: null, cert: null, key: null, token: null, tls: false };

/** As orchestrators and careful people do it: the file is there, whole, or not. */
const put = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return path;
};

test('keeps trying with a token that does not hold, and is let in as soon as the file has one that does', async () => {
  doors = await openSecuredDoors({ poll: { holdMaxMs: 60_000 } });
  const { home } = doors;
  const token = await put('token', `sgbot_${'0'.repeat(32)}_${'A'.repeat(43)}\n`);
  const logged: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const stop = new AbortController();
  const bot = createBot({
    server: doors.grpc.address,
    shows: readCredentials({ ...none, token }),
    instance: 'line-1',
    botId: 'bot-1',
    limits: { backoffMaxMs: 300 },
    log: (level, message, fields = {}) => void logged.push({ level, message, fields }),
  });
  const running = bot.run(stop.signal);
  const denials = () => logged.filter(({ message }) => message === 'the farm does not let this bot in');
  await expect.poll(() => denials().length, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(denials()[0]).toMatchObject({ level: 'error', fields: { code: 16, why: expect.stringContaining('token') } });
  expect(bot.state().session).toBeNull();

  await put('token', await doors.botToken('line-1', 'bot-1'));
  await expect.poll(() => home.sessions.parked, { timeout: 20_000 }).toBe(1);
  const session = bot.state().session;

  // Revoked while it is parked: it is told at once, and goes on with the same session once it is given another.
  const before = denials().length;
  await revokeBotToken(home, { instance: 'line-1', botId: 'bot-1', tokenId: '' }, 'test');
  await expect.poll(() => denials().length, { timeout: 20_000 }).toBeGreaterThan(before);
  await put('token', await doors.botToken('line-1', 'bot-1'));
  await expect.poll(() => home.sessions.parked, { timeout: 20_000 }).toBe(1);
  expect(bot.state().session).toBe(session);
  stop.abort();
  expect(await running).toBe('aborted');
  expect(JSON.stringify(logged)).not.toContain('sgbot_');
}, 90_000);

test('shows the same connection until a file changes, and a broken one keeps what it said', async () => {
  const [ca, token] = [await put('ca.pem', 'one'), await put('token', ' secret \n')];
  const shows = readCredentials({ ...none, ca, token });
  const first = shows();
  expect(first.token).toBe('secret');
  expect(shows().tls).toBe(first.tls);
  await put('ca.pem', 'another');
  const second = shows();
  expect(second.tls).not.toBe(first.tls);
  expect(second.tls?.rootCertificates?.toString()).toBe('another');
  await rm(token);
  expect(shows()).toEqual({ tls: second.tls, token: 'secret' });
});

test('speaks plain text with no file, and TLS as soon as one asks for it', async () => {
  expect(readCredentials(none)().tls).toBeNull();
  expect(readCredentials({ ...none, tls: true })().tls).toEqual({ rootCertificates: null, own: null });
  const [cert, key] = [await put('cert.pem', 'c'), await put('key.pem', 'k')];
  expect(readCredentials({ ...none, cert, key })().tls?.own?.privateKey.toString()).toBe('k');
  expect(() => readCredentials({ ...none, cert })).toThrow('Give both --cert and --key');
});

test('takes no secret from a file that others may read, and no missing one', async () => {
  const token = await put('token', 'secret');
  await chmod(token, 0o644);
  expect(() => readCredentials({ ...none, token })).toThrow(`Others may read ${token}; run: chmod 600 ${token}`);
  expect(() => readCredentials({ ...none, token: join(folder, 'nowhere') })).toThrow('ENOENT');
});
