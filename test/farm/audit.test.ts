import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditEntry } from '../../src/core/audit-chain.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { type AuditBook, createAudit } from '../../src/farm/audit.ts';
import { verifyAudit } from '../../src/farm/verify-audit.ts';
import { createTestFarm } from '../support/farm.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';

let database: FreshDatabase;
let clock: ManualClock;
beforeEach(async () => {
  database = await freshDatabase();
  clock = createManualClock();
});
afterEach(() => database.drop());

const entry = (changes: Partial<AuditEntry> = {}): AuditEntry => ({
  principal: 'ada@example',
  peer: '10.0.0.7:4711',
  verb: 'cancel-job',
  instance: 'line-1',
  object: 'job 17',
  reason: 'wrong unit',
  requestId: 'r-1',
  ...changes,
});

const STARTED = { version: '0.1.0', settings: 'log: {}\n' };

const openAudit = (limits: Partial<typeof defaultLimits.audit> = {}): AuditBook =>
  createAudit(createTestFarm({ database, clock, limits: { audit: limits } }));

const facts = async (): Promise<readonly Record<string, unknown>[]> => {
  const { rows } = await database.pool.query<{ text: string }>(
    'select text from audit order by recorded_at, replica, seq',
  );
  return rows.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
};
const kinds = async (): Promise<readonly unknown[]> => (await facts()).map(({ kind }) => kind);

describe('the audit', () => {
  it('has a record before a thing is done, and another of how it went', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    const ended = await audit.asked(entry());
    expect(await kinds()).toEqual(['started', 'asked']);
    ended('done');
    await audit.stop();
    expect((await facts()).slice(1)).toMatchObject([
      { seq: 2, kind: 'asked', ...entry() },
      { seq: 3, kind: 'ended', asked: 2, outcome: 'done' },
      { seq: 4, kind: 'stopped' },
    ]);
    expect(await verifyAudit(database.pool)).toMatchObject({
      records: 4,
      findings: [],
      heads: [{ seq: 4, stopped: true }],
    });
  });

  it('writes what is asked at once by many in few commits, in the order of asking', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    await Promise.all(Array.from({ length: 1200 }, (_, n) => audit.asked(entry({ object: `job ${n}` }))));
    const { rows } = await database.pool.query<{ n: number; commits: number }>(
      'select count(*) as n, count(distinct xmin::text) as commits from audit where seq > 1',
    );
    expect(rows[0]).toEqual({ n: 1200, commits: 3 });
    expect((await facts()).slice(1).map(({ object }) => object)).toEqual(
      Array.from({ length: 1200 }, (_, n) => `job ${n}`),
    );
  });

  it('keeps the configuration a replica started with, its text only when it changed', async () => {
    for (const settings of ['a', 'a', 'b']) {
      const audit = openAudit();
      await audit.start({ version: '1', settings });
      await audit.stop();
    }
    const started = (await facts()).filter(({ kind }) => kind === 'started');
    expect(started.map(({ settings }) => settings)).toEqual(['a', null, 'b']);
  });

  it('makes a storm of denials a record at once, and one with the count after its window', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    for (let n = 0; n < 1000; n += 1) audit.denied(entry({ object: `job ${n}` }), 'FORBIDDEN');
    await expect.poll(kinds).toEqual(['started', 'denied']);
    await clock.advance(defaultLimits.audit.denialWindowMs);
    await expect.poll(kinds).toEqual(['started', 'denied', 'denied']);
    expect((await facts()).slice(1)).toMatchObject([
      { count: 1, why: 'FORBIDDEN', object: 'job 0' },
      { count: 999, why: 'FORBIDDEN' },
    ]);
    await audit.stop();
  });

  it('lets one caller who names ever new instances hide nobody else', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    const mallory = { principal: 'bot:line/A', peer: '10.0.0.8:1', object: '' };
    for (let n = 0; n < 3000; n += 1) audit.denied(entry({ ...mallory, instance: `x${n}` }), 'NOT_THIS_BOT');
    audit.denied(entry({ object: 'bot z' }), 'ROLE_MISSING');
    await audit.stop();
    const denied = (await facts()).filter(({ kind }) => kind === 'denied');
    const ofMallory = denied.filter(({ principal }) => principal === 'bot:line/A');
    // Twenty instances by name; the others as one: the first of them as it came, the rest with their count.
    expect(ofMallory).toHaveLength(22);
    expect(ofMallory.at(-2)).toMatchObject({ count: 1, verb: 'cancel-job', instance: 'x20', why: 'NOT_THIS_BOT' });
    expect(ofMallory.at(-1)).toMatchObject({ count: 2979, verb: 'many', instance: 'many', peer: '10.0.0.8:1' });
    const others = denied.filter(({ principal }) => principal !== 'bot:line/A');
    expect(others).toMatchObject([{ ...entry({ object: 'bot z' }), count: 1, why: 'ROLE_MISSING' }]);
  });

  it('keeps the names of callers when there are too many kinds to tell apart', async () => {
    const audit = openAudit({ denialKindsMax: 20 });
    await audit.start(STARTED);
    for (let n = 0; n < 25; n += 1) audit.denied(entry({ principal: 'mallory', instance: `x${n}` }), 'FORBIDDEN');
    for (let n = 0; n < 2; n += 1) audit.denied(entry({ instance: `line-${n}` }), 'FORBIDDEN');
    await audit.stop();
    const told = (await facts()).filter(({ principal }) => principal === 'ada@example');
    expect(told).toMatchObject([
      { count: 1, instance: 'line-0', verb: 'cancel-job' },
      { count: 1, instance: 'line-1', verb: 'cancel-job' },
    ]);
  });

  it('tells callers without credentials apart by address, and lets them take no room from the others', async () => {
    const audit = openAudit({ denialKindsMax: 4 });
    await audit.start(STARTED);
    const stranger = { principal: 'nobody', instance: '', object: '' };
    for (let port = 1; port <= 9; port += 1) audit.denied(entry({ ...stranger, peer: `10.0.0.1:${port}` }), 'NO_TOKEN');
    for (let n = 2; n < 50; n += 1) audit.denied(entry({ ...stranger, peer: `10.0.0.${n}:7` }), 'NO_TOKEN');
    for (let n = 0; n < 2; n += 1) audit.denied(entry(), 'FORBIDDEN');
    await audit.stop();
    const denied = (await facts()).filter(({ kind }) => kind === 'denied');
    const counts = denied.map(({ principal, peer, count }) => [principal, peer, count]);
    expect(counts).toEqual([
      ['nobody', '10.0.0.1:1', 1],
      ['nobody', '10.0.0.2:7', 1],
      ['nobody', '10.0.0.3:7', 1],
      ['nobody', '10.0.0.4:7', 1],
      ['nobody', '10.0.0.5:7', 1],
      ['ada@example', '10.0.0.7:4711', 1],
      ['nobody', '10.0.0.1:2', 8],
      ['nobody', 'many', 44],
      ['ada@example', '10.0.0.7:4711', 1],
    ]);
  });

  it('counts a denial once whose record the database was slow to take', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    const owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await owner.query('begin; lock table audit in share mode');
    audit.denied(entry(), 'FORBIDDEN');
    await expect(audit.asked(entry())).rejects.toMatchObject({ code: '55P03' });
    await owner.end();
    await audit.stop();
    const denied = (await facts()).filter(({ kind }) => kind === 'denied');
    expect(denied.map(({ count }) => count)).toEqual([1]);
  });

  it('counts the denials of too many callers together', async () => {
    const audit = openAudit({ denialKindsMax: 2 });
    await audit.start(STARTED);
    for (let n = 0; n < 50; n += 1) audit.denied(entry({ principal: `caller ${n}` }), 'FORBIDDEN');
    await audit.stop();
    const denied = (await facts()).filter(({ kind }) => kind === 'denied');
    expect(denied.reduce((sum, { count }) => sum + Number(count), 0)).toBe(50);
    // Each record of one denial tells it as it came, also the first of those that are counted together.
    expect(denied.map(({ principal, count }) => [principal, count])).toEqual([
      ['caller 0', 1],
      ['caller 1', 1],
      ['caller 2', 1],
      ['many', 47],
    ]);
  });

  it('goes on whole after the database could not take a record, and what was asked then was refused', async () => {
    const audit = openAudit();
    await audit.start(STARTED);
    const owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await owner.query('begin; lock table audit in share mode');
    await expect(audit.asked(entry({ object: 'job 1' }))).rejects.toMatchObject({ code: '55P03' });
    await owner.end();
    await audit.asked(entry({ object: 'job 2' }));
    await audit.stop();
    expect((await facts()).map(({ kind, object }) => object ?? kind)).toEqual([
      'started',
      'job 1',
      'ended',
      'job 2',
      'stopped',
    ]);
    expect((await facts())[2]).toMatchObject({ asked: 2, outcome: 'not begun' });
    expect((await verifyAudit(database.pool)).findings).toEqual([]);
  });

  it('says that nothing was begun where the database had the record and its answer was lost', async () => {
    const seams = createTestFarm({ database, clock });
    let answersLost = 0;
    const loses = {
      query: async (text: string, values?: unknown[]) => {
        const answer = await database.pool.query(text, values);
        if (answersLost === 0) return answer;
        answersLost -= 1;
        throw new Error('the connection was lost');
      },
    };
    const audit = createAudit({ ...seams, pool: Object.assign(Object.create(database.pool), loses) });
    await audit.start(STARTED);
    answersLost = 1;
    await expect(audit.asked(entry())).rejects.toThrow('the connection was lost');
    // No other record comes: it has to be said by itself.
    await expect.poll(kinds).toEqual(['started', 'asked', 'ended']);
    expect((await facts())[2]).toMatchObject({ seq: 3, asked: 2, outcome: 'not begun' });
    answersLost = 1;
    const asking = audit.asked(entry());
    const stopping = audit.stop();
    await expect(asking).rejects.toThrow('the connection was lost');
    await stopping;
    expect(await kinds()).toEqual(['started', 'asked', 'ended', 'asked', 'ended', 'stopped']);
    expect((await verifyAudit(database.pool)).findings).toEqual([]);
  });

  it('refuses to be asked more than it can hold', async () => {
    const audit = openAudit({ waitingMax: 2 });
    await audit.start(STARTED);
    const answers = await Promise.allSettled(Array.from({ length: 4 }, () => audit.asked(entry())));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(answers[3]).toMatchObject({ reason: { kind: 'UNAVAILABLE', reason: 'FARM_BUSY' } });
  });
});

describe('whoever would rewrite the audit', () => {
  it.each(['update audit set text = text', 'delete from audit', 'truncate audit'])(
    'as the farm is refused: %s',
    async (statement) => {
      await expect(database.pool.query(statement)).rejects.toMatchObject({
        code: '42501',
        message: /permission denied/,
      });
    },
  );

  it('as its owner is refused too, until he takes the guard away, and then found out', async () => {
    const first = openAudit();
    await first.start(STARTED);
    await first.asked(entry());
    await first.asked(entry({ object: 'job 18' }));
    const second = openAudit();
    await second.start(STARTED);
    await second.stop();
    const owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await expect(owner.query('delete from audit')).rejects.toThrow(
      'The audit is only ever added to: DELETE is refused.',
    );
    await owner.query('alter table audit disable trigger audit_is_kept');
    const kept = (await verifyAudit(database.pool)).heads;
    await owner.query("delete from audit where text like '%job 18%'");
    expect((await verifyAudit(database.pool)).findings).toMatchObject([
      { seq: 3, words: /^it is missing, and the chain of .* knows of it: the end of this chain was cut off$/ },
    ]);
    await owner.query("delete from audit where text like '%stopped%'");
    expect((await verifyAudit(database.pool)).findings).toHaveLength(1);
    expect((await verifyAudit(database.pool, kept)).findings).toHaveLength(3);
    await owner.end();
  });
});
