/** What a bot cannot find out about others, and may not say of itself. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BotIdentity } from '../../src/core/principal.ts';
import { createBotSession } from '../../src/farm/create-bot-session.ts';
import { postBotEvent } from '../../src/farm/post-bot-event.ts';
import { reportTestResults } from '../../src/farm/report-test-results.ts';
import { updateBotSession } from '../../src/farm/update-bot-session.ts';
import { connect, openTestHome, says, testResult, type TestHome } from '../support/bot-calls.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { testLine } from '../support/farm.ts';

let database: FreshDatabase;
/** Statements since the last look. */
let statements: string[] = [];
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  statements = [];
});

const self = says();
const me: BotIdentity = { instance: 'line-1', botId: 'me' };
const NOWHERE = 'line-1/00000000-0000-4000-8000-000000000000';

/** The pool, with an ear at each of its clients. */
const heard = (pool: pg.Pool): pg.Pool =>
  new Proxy(pool, {
    get: (target, property) => {
      if (property !== 'connect') return Reflect.get(target, property) as unknown;
      return async () => {
        const client = await target.connect();
        return new Proxy(client, {
          get: (inner, name) => {
            const value: unknown = Reflect.get(inner, name);
            if (typeof value !== 'function') return value;
            const call = value.bind(inner) as (...words: unknown[]) => unknown;
            if (name !== 'query') return call;
            return (...words: unknown[]) => {
              statements.push(JSON.stringify(words[0]));
              return call(...words);
            };
          },
        });
      };
    },
  });

const openHeard = (): TestHome => openTestHome({ database: { ...database, pool: heard(database.pool) } });

/** The refusal, and what was asked of the database for it. */
const answerTo = async (name: string, call: (name: string) => Promise<unknown>): Promise<readonly string[]> => {
  statements = [];
  const refusal = await call(name).then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as Error & { readonly kind: string; readonly reason: string },
  );
  const words = `${refusal.kind} ${refusal.reason} ${refusal.message}`.replaceAll(name, '#');
  return [words, ...statements.map((statement) => statement.replaceAll(name, '#'))];
};

describe("another bot's session is answered in the words, and with the statements, of one that is not there", () => {
  const calls: Readonly<Record<string, (home: TestHome) => (name: string) => Promise<unknown>>> = {
    UpdateBotSession: (home) => (name) =>
      updateBotSession(
        home,
        { name, botId: me.botId, self, leases: [] },
        { untilDeadlineMs: 0, signal: new AbortController().signal },
      ),
    PostBotEventTemp: (home) => (name) => postBotEvent(home, { session: name, caller: me, type: 2, message: 'x' }),
    ReportTestResults: (home) => (name) =>
      reportTestResults(home, {
        session: name,
        caller: me,
        leaseId: '00000000-0000-4000-8000-000000000001',
        results: [testResult('T', 'PASSED')],
      }),
  };
  test.each(Object.entries(calls))('by %s', async (_, callOf) => {
    const home = openHeard();
    const theirs = await connect(home, 'them');
    const call = callOf(home);
    const absent = await answerTo(NOWHERE, call);
    expect(absent[0]).toContain('SESSION_UNKNOWN');
    expect(absent.length).toBeGreaterThan(1);
    // At home here, and at home elsewhere.
    expect(await answerTo(theirs.name, call)).toEqual(absent);
    expect(await answerTo(theirs.name, callOf(openHeard()))).toEqual(absent);
    // It lives on, and where it was.
    expect((await theirs.poll([], {})).name).toBe(theirs.name);
  });
});

describe('a bot of a line that pins what may be declared', () => {
  const claims = [{ bots: 'fat-*', property: 'station', values: ['FAT'] }];
  const pinned = (): TestHome => openTestHome({ database, lines: [testLine({ claims })] });
  const station = (value: string) => ({ properties: JSON.stringify({ station: [value] }) });
  const refused = { kind: 'FORBIDDEN', reason: 'CLAIM_NOT_ALLOWED' };

  test('begins no session with a claim that is not its own', async () => {
    const home = pinned();
    const asks = (botId: string) =>
      createBotSession(home, { instance: 'line-1', botId, peer: 'p', self: says(station('FAT')), leases: [] });
    await expect(asks('smt-1')).rejects.toMatchObject({ ...refused, metadata: { property: 'station', value: 'FAT' } });
    expect((await asks('fat-1')).leases).toEqual([]);
  });

  test('cannot claim more as it goes on, and goes on as it was', async () => {
    const home = pinned();
    const bot = await connect(home, 'fat-2', station('FAT'));
    await expect(bot.poll([], station('GRT'))).rejects.toMatchObject(refused);
    expect((await bot.poll()).name).toBe(bot.name);
    const { rows } = await database.pool.query('select properties from bot_sessions where name = $1', [bot.name]);
    expect(JSON.stringify(rows)).not.toContain('GRT');
  });

  test('is looked at again by a replica that starts with other claims', async () => {
    const bot = await connect(pinned(), 'fat-3', station('FAT'));
    const stricter = openTestHome({ database, lines: [testLine({ claims: [{ ...claims[0]!, values: ['FFT'] }] })] });
    await expect(bot.poll([], { at: stricter })).rejects.toMatchObject(refused);
  });
});
