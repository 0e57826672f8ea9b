/** Tokens of bots: made, replaced and ended by several people at once, while replicas read them. */
import { createBotToken } from '../../../src/farm/create-bot-token.ts';
import { revokeBotToken } from '../../../src/farm/revoke-bot-token.ts';
import { rotateBotToken } from '../../../src/farm/rotate-bot-token.ts';
import { createTokenBook } from '../../../src/farm/token-book.ts';
import { openTokenPages } from '../../../src/farm/token-pages.ts';
import type { TestHome } from '../../support/bot-calls.ts';
import type { Pair } from '../cross.ts';
import type { Scene } from '../stage.ts';

const BOT = { instance: 'line-1', botId: 'x' };

const made = (home: TestHome) => createBotToken(home, { ...BOT, expiresInMs: null }, 'ada');
const create = (home: TestHome) => made(home).then(() => 'made');
const rotate = (home: TestHome) =>
  rotateBotToken(home, { ...BOT, expiresInMs: null, overlapMs: null }, 'ada').then(() => 'rotated');
/** All of the bot's. */
const revoke = (home: TestHome) =>
  revokeBotToken(home, { ...BOT, tokenId: '' }, 'ada').then(({ length }) => `ended ${length}`);
const revokeOne = (home: TestHome, tokenId: string) =>
  revokeBotToken(home, { instance: BOT.instance, botId: '', tokenId }, 'ada').then(({ length }) => `ended ${length}`);

const hold = (read: Scene['read']): Promise<string> =>
  read(`select count(*) || ' hold' from bot_tokens where revoked_at is null and expires_at > farm_now()`);

export const tokenPairs: readonly Pair[] = [
  {
    name: 'create token / create token',
    ready: ({ a, b, read }) => Promise.resolve({ a: () => create(a), b: () => create(b), stands: () => hold(read) }),
    ends: [
      ['made', 'BOT_HAS_TOKEN', '1 hold'],
      ['BOT_HAS_TOKEN', 'made', '1 hold'],
    ],
  },
  {
    name: 'create token / rotate token',
    ready: ({ a, b, read }) => Promise.resolve({ a: () => create(a), b: () => rotate(b), stands: () => hold(read) }),
    ends: [
      ['made', 'rotated', '2 hold'],
      ['made', 'BOT_HAS_NO_TOKEN', '1 hold'],
    ],
  },
  {
    name: 'create token / revoke tokens',
    ready: ({ a, b, read }) => Promise.resolve({ a: () => create(a), b: () => revoke(b), stands: () => hold(read) }),
    ends: [
      ['made', 'ended 1', '0 hold'],
      ['made', 'ended 0', '1 hold'],
    ],
  },
  {
    name: 'rotate token / rotate token',
    ready: async ({ a, b, c, read }) => {
      await create(c);
      return { a: () => rotate(a), b: () => rotate(b), stands: () => hold(read) };
    },
    ends: [
      ['rotated', 'BOT_ROTATES_TOKEN', '2 hold'],
      ['BOT_ROTATES_TOKEN', 'rotated', '2 hold'],
    ],
  },
  {
    name: 'rotate token / revoke tokens',
    ready: async ({ a, b, c, read }) => {
      await create(c);
      return { a: () => rotate(a), b: () => revoke(b), stands: () => hold(read) };
    },
    ends: [
      ['rotated', 'ended 2', '0 hold'],
      ['BOT_HAS_NO_TOKEN', 'ended 1', '0 hold'],
    ],
  },
  {
    name: 'rotate token / revoke the older one',
    ready: async ({ a, b, c, read }) => {
      const { token } = await made(c);
      return { a: () => rotate(a), b: () => revokeOne(b, token.id), stands: () => hold(read) };
    },
    ends: [
      ['rotated', 'ended 1', '1 hold'],
      ['BOT_HAS_NO_TOKEN', 'ended 1', '0 hold'],
    ],
  },
  {
    name: 'revoke tokens / revoke tokens',
    ready: async ({ a, b, c, read }) => {
      await create(c);
      return { a: () => revoke(a), b: () => revoke(b), stands: () => hold(read) };
    },
    ends: [
      ['ended 1', 'ended 0', '0 hold'],
      ['ended 0', 'ended 1', '0 hold'],
    ],
  },
  {
    name: 'identify / revoke tokens, at a replica that has read nothing yet',
    ready: async ({ a, b, c, read }) => {
      const { secretText } = await made(c);
      const identify = () =>
        createTokenBook(a)
          .holderOf(secretText)
          .then(({ bot }) => `let in ${bot.botId}`);
      return { a: identify, b: () => revoke(b), stands: async () => `${await hold(read)}, ${await wordsOf(identify)}` };
    },
    ends: [
      ['let in x', 'ended 1', '0 hold, TOKEN_REVOKED'],
      ['TOKEN_REVOKED', 'ended 1', '0 hold, TOKEN_REVOKED'],
    ],
  },
  {
    // A commit that comes after a reading which began after its transaction must not be passed by by the next reading.
    name: 'read what changed / revoke tokens',
    ready: async ({ a, b, c, read }) => {
      const { token } = await made(c);
      const pages = openTokenPages(a);
      await pages.readFirst();
      const look = async () => {
        await pages.read();
        return pages.entries.get(token.id)?.isRevoked === true ? 'revoked' : 'holds';
      };
      return { a: look, b: () => revoke(b), stands: async () => `${await hold(read)}, then ${await look()}` };
    },
    ends: [
      ['holds', 'ended 1', '0 hold, then revoked'],
      ['revoked', 'ended 1', '0 hold, then revoked'],
    ],
  },
];

const wordsOf = (call: () => Promise<string>): Promise<string> =>
  call().catch((error: unknown) => (error as { readonly reason: string }).reason);
