import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Refusal } from '../../src/core/refusal.ts';
import { createBotToken } from '../../src/farm/create-bot-token.ts';
import { listBotTokens } from '../../src/farm/list-bot-tokens.ts';
import { revokeBotToken } from '../../src/farm/revoke-bot-token.ts';
import { rotateBotToken } from '../../src/farm/rotate-bot-token.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm, testLine } from '../support/farm.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const INSTANCE = 'line-1';
const ADMIN = 'member:ada';

let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database, lines: [testLine(), testLine({ instance: 'line-2' })] });
});
afterAll(() => database.drop());

const create = (botId: string, changes: { readonly instance?: string; readonly expiresInMs?: number } = {}) =>
  createBotToken(farm, { instance: INSTANCE, botId, expiresInMs: null, ...changes }, ADMIN);
const rotate = (botId: string, overlapMs: number | null = null) =>
  rotateBotToken(farm, { instance: INSTANCE, botId, expiresInMs: null, overlapMs }, ADMIN);
const revoke = (
  which: { readonly botId?: string; readonly tokenId?: string; readonly instance?: string },
  by = ADMIN,
) => revokeBotToken(farm, { instance: INSTANCE, botId: '', tokenId: '', ...which }, by);
const list = (changes: object = {}) =>
  listBotTokens(farm, { instance: INSTANCE, botId: null, validOnly: false, pageSize: 0, pageToken: '', ...changes });
const reasonOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'done',
    (error: unknown) => (error as Refusal).reason,
  );
const leftMs = ({ createdAt, expiresAt }: { readonly createdAt: Date; readonly expiresAt: Date }): number =>
  expiresAt.getTime() - createdAt.getTime();

it('makes a token for 90 days that says who made it, tells the replicas, and keeps nothing of its secret', async () => {
  const { token, secretText } = await create('new');
  expect(token).toMatchObject({ instance: INSTANCE, botId: 'new', state: 'VALID', createdBy: ADMIN, revokedBy: null });
  expect(leftMs(token)).toBe(90 * DAY_MS);
  expect(farm.wakes.at(-1)).toEqual({ kind: 'tokens' });
  const { rows } = await database.pool.query('select * from bot_tokens where id = $1', [token.id]);
  expect(rows).toHaveLength(1);
  const secret = secretText.slice(-43);
  expect(JSON.stringify(rows) + (await rowText(token.id))).not.toContain(secret);
  expect(await rowText(token.id)).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
});

const rowText = async (id: string): Promise<string> =>
  String((await database.pool.query('select t::text as row from bot_tokens t where id = $1', [id])).rows[0].row);

describe('tokens of one bot', () => {
  it('are made one by one: a second is for rotation', async () => {
    await create('single');
    expect(await reasonOf(create('single'))).toBe('BOT_HAS_TOKEN');
    expect(await reasonOf(create('single', { instance: 'line-2' }))).toBe('done');
  });

  it('hold two at a time, the older one for a day or as said', async () => {
    const older = await create('turns');
    const newer = await rotate('turns');
    const { tokens } = await list({ botId: 'turns' });
    const leftOf = (id: string): number =>
      tokens.find((token) => token.id === id)!.expiresAt.getTime() - newer.token.createdAt.getTime();
    // All are of one transaction, but of several moments of its clock.
    expect(Math.abs(leftOf(older.token.id) - DAY_MS)).toBeLessThan(60_000);
    expect(Math.abs(leftOf(newer.token.id) - 90 * DAY_MS)).toBeLessThan(60_000);
    expect(await reasonOf(rotate('turns'))).toBe('BOT_ROTATES_TOKEN');
    await revoke({ tokenId: older.token.id });
    expect(await reasonOf(rotate('turns', 0))).toBe('done');
    expect((await list({ botId: 'turns', validOnly: true })).tokens).toHaveLength(1);
  });

  it('stay two at the most, and one at first, however many ask at once', async () => {
    const created = await Promise.all(Array.from({ length: 5 }, () => reasonOf(create('raced'))));
    expect(created.sort()).toEqual([...Array.from({ length: 4 }, () => 'BOT_HAS_TOKEN'), 'done']);
    const rotated = await Promise.all(Array.from({ length: 5 }, () => reasonOf(rotate('raced'))));
    expect(rotated.sort()).toEqual([...Array.from({ length: 4 }, () => 'BOT_ROTATES_TOKEN'), 'done']);
    expect((await list({ botId: 'raced', validOnly: true })).tokens).toHaveLength(2);
  });

  it('can be made again once all are revoked, and not rotated before', async () => {
    await create('again');
    expect((await revoke({ botId: 'again' })).map(({ state }) => state)).toEqual(['REVOKED']);
    expect(await reasonOf(rotate('again'))).toBe('BOT_HAS_NO_TOKEN');
    expect(await reasonOf(create('again'))).toBe('done');
  });
});

describe('revoking', () => {
  it('ends one or all, keeps who did it first, and is harmless when repeated', async () => {
    const { token } = await create('gone');
    await rotate('gone');
    expect((await revoke({ tokenId: token.id }, 'member:bob')).map(({ id }) => id)).toEqual([token.id]);
    expect(await revoke({ tokenId: token.id }, 'member:eve')).toEqual([]);
    expect(await revoke({ botId: 'gone' }, 'member:eve')).toHaveLength(1);
    expect(await revoke({ botId: 'gone' }, 'member:eve')).toEqual([]);
    const { tokens } = await list({ botId: 'gone' });
    expect(tokens.find(({ id }) => id === token.id)).toMatchObject({ state: 'REVOKED', revokedBy: 'member:bob' });
  });

  it('does not reach into another instance', async () => {
    const { token } = await create('elsewhere', { instance: 'line-2' });
    expect(await reasonOf(revoke({ tokenId: token.id }))).toBe('NO_SUCH_TOKEN');
    expect(await revoke({ botId: 'elsewhere' })).toEqual([]);
    expect((await list({ instance: 'line-2', botId: 'elsewhere', validOnly: true })).tokens).toHaveLength(1);
  });

  it.for([
    [{}, 'TOKEN_OR_BOT'],
    [{ botId: 'a', tokenId: 'b' }, 'TOKEN_OR_BOT'],
    [{ tokenId: 'x' }, 'NO_SUCH_TOKEN'],
    [{ tokenId: '00000000-0000-4000-8000-000000000000' }, 'NO_SUCH_TOKEN'],
    [{ botId: 'x', instance: 'line-9' }, 'UNKNOWN_INSTANCE'],
  ] as const)('%j is refused with %s', async ([which, reason]) => {
    expect(await reasonOf(revoke(which))).toBe(reason);
  });
});

it.for([
  [{ botId: '' }, 'NAME_EMPTY'],
  [{ botId: 'a\0' }, 'TEXT_NOT_STORABLE'],
  [{ instance: 'line-9' }, 'UNKNOWN_INSTANCE'],
  [{ expiresInMs: 0 }, 'DURATION_OUT_OF_RANGE'],
  [{ expiresInMs: 367 * DAY_MS }, 'DURATION_OUT_OF_RANGE'],
] as const)('refuses to make one for %j: %s', async ([changes, reason]) => {
  const asked = { instance: INSTANCE, botId: 'x', expiresInMs: null, ...changes };
  expect(await reasonOf(createBotToken(farm, asked, ADMIN))).toBe(reason);
});

it('lists page by page, a bot’s tokens together', async () => {
  for (const botId of ['page-1', 'page-2', 'page-3']) await create(botId);
  await rotate('page-2');
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = await list({ pageSize: 2, pageToken });
    seen.push(...page.tokens.map(({ botId }) => botId));
    ({ nextPageToken: pageToken } = page);
  } while (pageToken !== '');
  expect(seen.filter((botId) => botId.startsWith('page-'))).toEqual(['page-1', 'page-2', 'page-2', 'page-3']);
  expect(seen).toEqual([...seen].sort());
});

describe('the database', () => {
  it.for([
    'delete from bot_tokens',
    'truncate bot_tokens',
    'update bot_tokens set revoked_at = null, revoked_by = null where revoked_at is not null',
    "update bot_tokens set expires_at = expires_at + interval '1 day'",
    "update bot_tokens set bot_id = 'another'",
    'update bot_tokens set secret_sha256 = sha256(secret_sha256)',
  ])('does not let a farm %s', async (statement) => {
    await create(`kept ${statement}`);
    await revoke({ botId: `kept ${statement}` });
    await expect(database.pool.query(statement)).rejects.toThrow(/can only be ended sooner|permission denied/);
  });
});
