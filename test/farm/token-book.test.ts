/** What replicas know of tokens: who holds one, and how soon one that has ended holds nowhere any more. */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newBotToken } from '../../src/core/bot-token.ts';
import type { Refusal } from '../../src/core/refusal.ts';
import { createBotToken } from '../../src/farm/create-bot-token.ts';
import type { Farm } from '../../src/farm/farm.ts';
import { revokeBotToken } from '../../src/farm/revoke-bot-token.ts';
import { rotateBotToken } from '../../src/farm/rotate-bot-token.ts';
import { createTokenBook, type TokenBook, type TokenHolder } from '../../src/farm/token-book.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { createTestFarm, createWakeHub } from '../support/farm.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const INSTANCE = 'line-1';
const ADMIN = 'member:ada';
const REFRESH_MS = 2_000;
/** The promise: a revoked token holds nowhere this long after. */
const REVOKED_MS_MAX = 5_000;

let database: FreshDatabase;
let books: TokenBook[];
beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(createManualClock().now());
  books = [];
});
afterEach(async () => {
  for (const book of books) book.stop();
  await database.drop();
});

/** The way to the database: it can be cut, `hanging` so that it answers nothing at all, and knows what is under way. */
const watchedPool = () => {
  const state = { cut: 'no' as 'no' | 'away' | 'hanging', queries: 0 };
  const underWay = new Set<Promise<unknown>>();
  const query = (...asked: readonly unknown[]): Promise<unknown> => {
    state.queries += 1;
    if (state.cut === 'hanging') return new Promise(() => undefined);
    const asking =
      state.cut === 'away'
        ? Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }))
        : toPromise(Reflect.apply(database.pool.query, database.pool, asked));
    const settled = asking.then(
      () => undefined,
      () => undefined,
    );
    underWay.add(settled);
    void settled.finally(() => underWay.delete(settled));
    return asking;
  };
  const idle = async (): Promise<void> => {
    while (underWay.size > 0) await Promise.all(underWay);
    // What was read is taken in.
    await setImmediate();
  };
  return { state, idle, pool: { query } as unknown as Farm['pool'] };
};

function toPromise(asking: unknown): Promise<unknown> {
  return asking as Promise<unknown>;
}

type Replica = ReturnType<typeof watchedPool> & {
  readonly farm: Farm;
  readonly book: TokenBook;
  readonly clock: ManualClock;
};

/** `hub`: what carries wakes; replicas without one in common hear nothing of each other, as when NOTIFY is lost. */
const openReplica = async (hub = createWakeHub()): Promise<Replica> => {
  const clock = createManualClock();
  const farm = createTestFarm({ database, clock, hub });
  const watched = watchedPool();
  const book = createTokenBook({ ...farm, pool: watched.pool });
  await book.start();
  books.push(book);
  return { ...watched, farm, book, clock };
};

/** Time goes on, the database's too, and each of the book's readings is answered before more of it does. */
const pass = async ({ clock, idle }: Replica, ms: number): Promise<void> => {
  for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
    const stepMs = Math.min(leftMs, STEP_MS);
    await database.setNow(new Date(clock.now().getTime() + stepMs));
    await clock.advance(stepMs);
    await idle();
  }
};
const STEP_MS = 100;

/** Two readings begin 100 ms apart at least, on a clock that moves only when told. */
const GAP_MS = 100;
/** Shows a token that the replica may not know yet. */
const show = async (replica: Replica, text: string): Promise<TokenHolder> => {
  const asked = replica.book.holderOf(text);
  asked.catch(() => undefined);
  await pass(replica, GAP_MS);
  return asked;
};

const create = (farm: Farm, botId = 'fat-1', expiresInMs: number | null = null) =>
  createBotToken(farm, { instance: INSTANCE, botId, expiresInMs }, ADMIN);
const reasonOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'held',
    (error: unknown) => (error as Refusal).reason,
  );
/** Why the calls under a token ended; null: they go on. */
const endOf = ({ until }: TokenHolder): string | null => (until.aborted ? (until.reason as Refusal).reason : null);

describe('a token', () => {
  it('names its bot, at the replica that made it and at one that has heard nothing of it', async () => {
    const [here, there] = [await openReplica(), await openReplica()];
    const { secretText } = await create(here.farm);
    for (const replica of [here, there])
      expect((await show(replica, secretText)).bot).toEqual({ instance: INSTANCE, botId: 'fat-1' });
  });

  it('costs no SQL once it is known, however often it is shown', async () => {
    const replica = await openReplica();
    const { secretText } = await create(replica.farm);
    await show(replica, secretText);
    const before = replica.state.queries;
    for (let n = 0; n < 1_000; n += 1) await replica.book.holderOf(secretText);
    expect(replica.state.queries).toBe(before);
  });

  it('with another secret, or of another farm, is unknown; and is asked of the database once', async () => {
    const replica = await openReplica();
    const { farm, book } = replica;
    const { secretText } = await create(farm);
    await show(replica, secretText);
    expect(await reasonOf(book.holderOf(`${secretText.slice(0, -43)}${'A'.repeat(43)}`))).toBe('TOKEN_UNKNOWN');
    const stranger = newBotToken(randomUUID).text;
    expect(await reasonOf(show(replica, stranger))).toBe('TOKEN_UNKNOWN');
    // On a clock that stands still no further reading could come.
    expect(await reasonOf(book.holderOf(stranger))).toBe('TOKEN_UNKNOWN');
    expect(await reasonOf(book.holderOf('sgbot_x'))).toBe('TOKEN_MALFORMED');
  });

  it('refused, tells nothing of its secret', async () => {
    const { text } = newBotToken(randomUUID);
    const error = await show(await openReplica(), text).catch((caught: unknown) => caught as Refusal);
    expect(JSON.stringify([`${(error as Refusal).stack}`, error])).not.toContain(text.slice(-43));
  });

  it('expires, and with it what goes on under it', async () => {
    const replica = await openReplica();
    const { farm, book } = replica;
    const { secretText } = await create(farm, 'fat-1', 10_000);
    const holder = await show(replica, secretText);
    await pass(replica, 9_000);
    expect(endOf(holder)).toBeNull();
    expect(await reasonOf(book.holderOf(secretText))).toBe('held');
    await pass(replica, 1_001);
    expect(await reasonOf(book.holderOf(secretText))).toBe('TOKEN_EXPIRED');
    await pass(replica, REFRESH_MS);
    expect(endOf(holder)).toBe('TOKEN_EXPIRED');
  });

  it('that was rotated holds for the overlap beside the new one', async () => {
    const replica = await openReplica();
    const { farm, book } = replica;
    const older = await create(farm);
    await show(replica, older.secretText);
    const asked = { instance: INSTANCE, botId: 'fat-1', expiresInMs: null, overlapMs: 3_000 };
    const newer = await rotateBotToken(farm, asked, ADMIN);
    expect(await reasonOf(show(replica, newer.secretText))).toBe('held');
    expect(await reasonOf(book.holderOf(older.secretText))).toBe('held');
    await pass(replica, 3_000);
    expect(await reasonOf(book.holderOf(older.secretText))).toBe('TOKEN_EXPIRED');
    expect(await reasonOf(book.holderOf(newer.secretText))).toBe('held');
  });
});

describe('a revoked token', () => {
  it('ends what goes on under it at every replica, at once when they hear of it', async () => {
    const hub = createWakeHub();
    const [here, there] = [await openReplica(hub), await openReplica(hub)];
    const { secretText, token } = await create(here.farm);
    const holders = [await show(here, secretText), await show(there, secretText)];
    await revokeBotToken(here.farm, { instance: INSTANCE, botId: '', tokenId: token.id }, ADMIN);
    for (const replica of [here, there]) await pass(replica, GAP_MS);
    expect(holders.map(endOf)).toEqual(['TOKEN_REVOKED', 'TOKEN_REVOKED']);
    for (const { book } of [here, there]) expect(await reasonOf(book.holderOf(secretText))).toBe('TOKEN_REVOKED');
  });

  it('holds at a replica that hears nothing until its next reading, and not for 5 s', async () => {
    const [here, deaf] = [await openReplica(), await openReplica()];
    const { secretText } = await create(here.farm);
    const holder = await show(deaf, secretText);
    await revokeBotToken(here.farm, { instance: INSTANCE, botId: 'fat-1', tokenId: '' }, ADMIN);
    expect(await reasonOf(deaf.book.holderOf(secretText))).toBe('held');
    await pass(deaf, REFRESH_MS);
    expect(endOf(holder)).toBe('TOKEN_REVOKED');
    expect(await reasonOf(deaf.book.holderOf(secretText))).toBe('TOKEN_REVOKED');
  });

  it('is seen though its commit came after a later one’s', async () => {
    const replica = await openReplica();
    const { farm } = replica;
    const [early, late] = [await create(farm, 'early'), await create(farm, 'late')];
    const holder = await show(replica, early.secretText);
    const slow = await database.pool.connect();
    try {
      await slow.query('begin');
      await slow.query('update bot_tokens set revoked_at = farm_now(), revoked_by = $2 where id = $1', [
        early.token.id,
        ADMIN,
      ]);
      await revokeBotToken(farm, { instance: INSTANCE, botId: 'late', tokenId: '' }, ADMIN);
      await pass(replica, GAP_MS);
      expect(await reasonOf(show(replica, late.secretText))).toBe('TOKEN_REVOKED');
      expect(endOf(holder)).toBeNull();
      await slow.query('commit');
    } finally {
      slow.release();
    }
    await pass(replica, REFRESH_MS);
    expect(endOf(holder)).toBe('TOKEN_REVOKED');
  });
});

describe('a replica that cannot read the tokens', () => {
  it.for(['away', 'hanging'] as const)(
    'vouches for nobody before 5 s are over, and ends what goes on under tokens (the database: %s)',
    async (cut) => {
      const replica = await openReplica();
      const { state, book, clock } = replica;
      const { secretText } = await create(replica.farm);
      const holder = await show(replica, secretText);
      const readAtMs = clock.monotonicMs();
      state.cut = cut;
      await pass(replica, 3_900);
      expect(await reasonOf(book.holderOf(secretText))).toBe('held');
      await pass(replica, REVOKED_MS_MAX - 3_900);
      expect(clock.monotonicMs() - readAtMs).toBe(REVOKED_MS_MAX);
      expect(endOf(holder)).toBe('TOKENS_AWAY');
      expect(await reasonOf(book.holderOf(secretText))).toBe('TOKENS_AWAY');
      if (cut === 'hanging') return;
      state.cut = 'no';
      await pass(replica, REFRESH_MS);
      expect(await reasonOf(book.holderOf(secretText))).toBe('held');
      expect(endOf(await book.holderOf(secretText))).toBeNull();
    },
  );

  it('does not call a token unknown that it could not look for', async () => {
    const replica = await openReplica();
    replica.state.cut = 'away';
    expect(await reasonOf(show(replica, newBotToken(randomUUID).text))).toBe('TOKENS_AWAY');
  });
});

it('keeps to the database: a token that is gone from it, as after a restore, is gone within a minute', async () => {
  const replica = await openReplica();
  const { farm } = replica;
  const { secretText, token } = await create(farm);
  const holder = await show(replica, secretText);
  const owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await owner.query('alter table bot_tokens disable trigger bot_tokens_kept');
  await owner.query('delete from bot_tokens where id = $1', [token.id]).finally(() => owner.end());
  await pass(replica, 62_000);
  expect(endOf(holder)).toBe('TOKEN_UNKNOWN');
});
