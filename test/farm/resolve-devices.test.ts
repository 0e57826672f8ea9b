import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveDevices } from '../../src/farm/resolve-devices.ts';
import { inTransaction } from '../../src/store/transaction.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';

type Duts = Parameters<typeof resolveDevices>[2];

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

const resolve = (...duts: Duts): Promise<number[]> =>
  inTransaction({ pool: database.pool, random: () => 0, sleep: () => Promise.resolve() }, (db) =>
    resolveDevices(db, 'line-1', duts),
  );
const serial = (name: string, value: string) => ({ name: `serials.${name}`, value });
const heldOf = async (id: number): Promise<string | null> => {
  const { rows } = await database.pool.query<{ reason: string | null }>(
    'select held_reason as reason from devices where id = $1',
    [id],
  );
  return rows[0]!.reason;
};

it('gives a DUT its record at first sight, and finds it ever after by any of its serials', async () => {
  const [id] = await resolve([serial('mlb', 'M1')]);
  expect(await resolve([serial('mlb', 'M1'), serial('unit', 'S1')])).toEqual([id]);
  expect(await resolve([serial('unit', 'S1')])).toEqual([id]);
});

it('makes one record though many ask at once', async () => {
  const asked = await Promise.all([1, 2, 3, 4].map(() => resolve([serial('mlb', 'AT-ONCE')])));
  expect(new Set(asked.flat()).size).toBe(1);
});

it('keeps the order of the devices, the primary one first, and counts a DUT once', async () => {
  const [one] = await resolve([serial('mlb', 'P1')]);
  const [two] = await resolve([serial('mlb', 'P2')]);
  expect(await resolve([serial('mlb', 'P2')], [], [serial('mlb', 'P1')], [serial('mlb', 'P2')])).toEqual([two, one]);
});

it('takes two new devices that share a serial for one DUT', async () => {
  const ids = await resolve([serial('mlb', 'N1')], [serial('mlb', 'N1'), serial('unit', 'N2')]);
  expect(ids).toHaveLength(1);
  expect(await resolve([serial('unit', 'N2')])).toEqual(ids);
});

it('holds all the records that the serials of one DUT belong to, with the reason', async () => {
  const [one] = await resolve([serial('mlb', 'C1')]);
  const [two] = await resolve([serial('unit', 'C2')]);
  expect(await resolve([serial('mlb', 'C1'), serial('unit', 'C2')])).toEqual([one]);
  for (const id of [one!, two!])
    expect(await heldOf(id)).toMatch(/serials.mlb=C1, serials.unit=C2 were declared for one DUT/);
});

it('knows a serial of another instance for another DUT', async () => {
  const seams = { pool: database.pool, random: () => 0, sleep: () => Promise.resolve() };
  const [here] = await resolve([serial('mlb', 'I1')]);
  const [there] = await inTransaction(seams, (db) => resolveDevices(db, 'line-2', [[serial('mlb', 'I1')]]));
  expect(there).not.toBe(here);
});
