import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AuditEntry, sealRecord } from '../../src/core/audit-chain.ts';
import type { Limits } from '../../src/core/limits.ts';
import { createAudit, sha256 } from '../../src/farm/audit.ts';
import { verifyAudit } from '../../src/farm/verify-audit.ts';
import { watchAudit } from '../../src/farm/watch-audit.ts';
import { insertAuditRecords } from '../../src/store/audit.ts';
import { createTestFarm } from '../support/farm.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';

let database: FreshDatabase;
let owner: pg.Client;
beforeEach(async () => {
  database = await freshDatabase();
  owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await owner.query('alter table audit disable trigger audit_is_kept');
});
afterEach(async () => {
  await owner.end();
  await database.drop();
});

const entry = (object: string): AuditEntry => ({
  principal: 'ada@example',
  peer: '10.0.0.7:4711',
  verb: 'cancel-job',
  instance: 'line-1',
  object,
  reason: 'wrong unit',
  requestId: 'r-1',
});

/** A replica that began, was asked about these, and lives. */
const chainAbout = (...objects: readonly string[]): Promise<void> => chainOf(randomUUID(), objects);

const chainOf = async (replica: string, objects: readonly string[]): Promise<void> => {
  const audit = createAudit({ ...createTestFarm({ database, clock: createManualClock() }), replica });
  await audit.start({ version: '0.1.0', settings: 'log: {}\n' });
  for (const object of objects) await audit.asked(entry(object));
};

/** A replica's id that begins so: the first digits say in which order chains are walked. */
const idOf = (digits: string): string => `${digits.padEnd(8, '0')}-0000-4000-8000-000000000000`;

/**
 * The duty of a leader that walks the chains in the order of their ids, unless it has an id itself, so many records at a
 * step. A round ends with one step for the chains before its own. Each step gives what it has told of by then.
 */
const openWatch = (verifyRowsMax: number, limits: Partial<Limits['audit']> = {}, replica = idOf('')) => {
  const farm = createTestFarm({ database, limits: { audit: { verifyRowsMax, ...limits } } });
  const logged: unknown[] = [];
  let told = Number.NaN;
  const duty = watchAudit(
    { ...farm, replica, log: { ...farm.log, error: (about) => logged.push(about) } },
    (findings) => {
      told = findings;
    },
  );
  return {
    logged,
    steps: async (n: number): Promise<readonly number[]> => {
      const all: number[] = [];
      for (let i = 0; i < n; i += 1) {
        await duty.do(new AbortController().signal);
        all.push(told);
      }
      return all;
    },
  };
};

it('a sound audit is walked at the pace that is set, again and again, while it grows', async () => {
  await chainAbout('job 1', 'job 2');
  const watch = openWatch(2);
  expect(await watch.steps(3)).toEqual([0, 0, 0]);
  await chainAbout('job 3', 'job 4', 'job 5');
  expect(await watch.steps(9)).toEqual(Array(9).fill(0));
  expect(watch.logged).toEqual([]);
});

it('a record that was changed is told of when its turn comes, once in the log, until a round finds nothing', async () => {
  await chainAbout('job 1', 'job 2', 'job 3');
  await owner.query(`update audit set text = replace(text, 'job 3', 'job 9')`);
  const watch = openWatch(2);
  // Four records are two steps and one that finds the end; in the next round the ends are looked for, too.
  expect(await watch.steps(4)).toEqual([0, 1, 1, 1]);
  expect(watch.logged).toMatchObject([{ findings: [{ seq: 4, words: 'its text was changed' }], of: 1 }]);
  await owner.query(`update audit set text = replace(text, 'job 9', 'job 3')`);
  expect(await watch.steps(5)).toEqual(Array(5).fill(1));
  expect(await watch.steps(5)).toEqual(Array(5).fill(0));
  expect(watch.logged).toHaveLength(1);
});

it('what was cut off an end is missed until it is back, though the chain holds', async () => {
  await chainAbout('job 1', 'job 2');
  const watch = openWatch(10);
  expect(await watch.steps(2)).toEqual([0, 0]);
  const { heads } = await verifyAudit(database.pool);
  await owner.query(`create table evidence as select * from audit where text like '%job 2%'`);
  await owner.query(`delete from audit where text like '%job 2%'`);
  expect(await watch.steps(10)).toEqual(Array(10).fill(1));
  expect((await verifyAudit(database.pool)).findings).toEqual([]);
  // Four times in four rounds. What is logged of it is what `verify --against` takes.
  expect(watch.logged).toHaveLength(4);
  expect(watch.logged[3]).toMatchObject({
    findings: [
      { replica: heads[0]?.replica, seq: 3, hash: heads[0]?.hash, words: /^it is missing, and an earlier round/ },
    ],
  });
  await owner.query(`insert into audit select * from evidence`);
  expect(await watch.steps(5)).toEqual(Array(5).fill(1));
  expect(await watch.steps(6)).toEqual(Array(6).fill(0));
});

it('an end that was written anew is missed as it was, once a round', async () => {
  await chainAbout('job 1');
  const watch = openWatch(10);
  await watch.steps(2);
  await owner.query(`delete from audit where seq = 2`);
  const { heads } = await verifyAudit(database.pool);
  const [cut] = heads;
  if (cut === undefined) throw new Error('The chain is gone.');
  const anew = sealRecord(cut, { kind: 'asked', ...entry('job 9') }, new Date(0), sha256);
  await insertAuditRecords(database.pool, [anew]);
  expect(await watch.steps(12)).toEqual(Array(12).fill(1));
});

it('without room for ends none is missed', async () => {
  await chainAbout('job 1', 'job 2');
  const forgetful = openWatch(10, { verifyHeadsMax: 0 });
  await forgetful.steps(2);
  await owner.query(`delete from audit where text like '%job 2%'`);
  expect(await forgetful.steps(5)).toEqual(Array(5).fill(0));
});

it('the room for ends is for those that no chain names, not for all who were ever killed', async () => {
  for (const killed of ['1', '2', '3']) await chainOf(idOf(killed), ['job 1']);
  await chainOf(idOf('f'), ['job 2']);
  const watch = openWatch(20, { verifyHeadsMax: 1 });
  await watch.steps(2);
  await owner.query(`delete from audit where text like '%job 2%'`);
  expect(await watch.steps(1)).toEqual([1]);
  expect(watch.logged).toMatchObject([{ findings: [{ replica: idOf('f'), seq: 2 }] }]);
});

it('each leader begins with the chains after its own, which comes last, so that all have their turn', async () => {
  for (const digits of ['1', '8', 'f']) await chainOf(idOf(digits), ['job 1', 'job 2']);
  await owner.query(`update audit set text = replace(text, 'job 2', 'job 9')`);
  const watch = openWatch(3, {}, idOf('8'));
  await watch.steps(6);
  const order = [idOf('f'), idOf('1'), idOf('8')];
  expect(watch.logged).toMatchObject(order.map((replica) => ({ findings: [{ replica, seq: 3 }], of: 1 })));
});

it('a step that the database did not answer is taken again, as it was', async () => {
  await chainAbout('job 1', 'job 2', 'job 3');
  await chainAbout('job 4');
  const watch = openWatch(3);
  expect(await watch.steps(1)).toEqual([0]);
  await owner.query(`alter table audit rename to elsewhere`);
  await expect(watch.steps(1)).rejects.toThrow('relation "audit" does not exist');
  await owner.query(`alter table elsewhere rename to audit`);
  expect(await watch.steps(6)).toEqual(Array(6).fill(0));
});
