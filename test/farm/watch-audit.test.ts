import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AuditEntry } from '../../src/core/audit-chain.ts';
import type { Limits } from '../../src/core/limits.ts';
import { createAudit } from '../../src/farm/audit.ts';
import { watchAudit } from '../../src/farm/watch-audit.ts';
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
const chainAbout = async (...objects: readonly string[]): Promise<void> => {
  const audit = createAudit(createTestFarm({ database, clock: createManualClock() }));
  await audit.start({ version: '0.1.0', settings: 'log: {}\n' });
  for (const object of objects) await audit.asked(entry(object));
};

/** The leader's duty, so many records at a step; each `step` gives what it has told of by then. */
const openWatch = (verifyRowsMax: number, limits: Partial<Limits['audit']> = {}) => {
  const farm = createTestFarm({ database, limits: { audit: { verifyRowsMax, ...limits } } });
  const logged: unknown[] = [];
  let told = Number.NaN;
  const duty = watchAudit({ ...farm, log: { ...farm.log, error: (about) => logged.push(about) } }, (findings) => {
    told = findings;
  });
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
  expect(await watch.steps(8)).toEqual(Array(8).fill(0));
  expect(watch.logged).toEqual([]);
});

it('a record that was changed is told of when its turn comes, once in the log, until a round finds nothing', async () => {
  await chainAbout('job 1', 'job 2', 'job 3');
  await owner.query(`update audit set text = replace(text, 'job 3', 'job 9')`);
  const watch = openWatch(2);
  // Four records are two steps and one that finds the end; then the ends of the round before are looked for.
  expect(await watch.steps(3)).toEqual([0, 1, 1]);
  expect(watch.logged).toMatchObject([{ findings: [{ seq: 4, words: 'its text was changed' }], of: 1 }]);
  await owner.query(`update audit set text = replace(text, 'job 9', 'job 3')`);
  expect(await watch.steps(4)).toEqual([1, 1, 1, 1]);
  expect(await watch.steps(4)).toEqual([0, 0, 0, 0]);
  expect(watch.logged).toHaveLength(1);
});

it('what was cut off an end since the round before is missed, though the chain holds', async () => {
  await chainAbout('job 1', 'job 2');
  const watch = openWatch(10);
  expect(await watch.steps(1)).toEqual([0]);
  await owner.query(`delete from audit where text like '%job 2%'`);
  expect(await watch.steps(1)).toEqual([1]);
  expect(watch.logged).toMatchObject([
    { findings: [{ seq: 3, words: /^it is missing, and the round before knows of it/ }] },
  ]);
  const forgetful = openWatch(10, { verifyHeadsMax: 0 });
  await forgetful.steps(1);
  await owner.query(`delete from audit where text like '%job 1%'`);
  expect(await forgetful.steps(2)).toEqual([0, 0]);
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
