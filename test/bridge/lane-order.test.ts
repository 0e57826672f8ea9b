import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Pump } from '../../src/bridge/pump.ts';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { callOfEvent } from '../../src/core/shopfloor-call.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { lineAt, limitsWith, openPlainFarm } from '../support/plain-farm.ts';
import { insertUnit, oweTo } from '../support/rows.ts';
import { wallClock } from '../support/wall-clock.ts';

const RUNS = 6;
/** About every fifth call meets one of these; some of them apply it first, so that it is sent twice. */
const faults = (['garbage', 'drop-after-applying', 'refuse'] as const).map((kind) => ({ kind, probability: 0.07 }));
const limits = limitsWith({
  'breaker.openMs': 5,
  'lanes.backoffMinMs': 1,
  'lanes.backoffMaxMs': 4,
  'lanes.concurrentMax': 3,
});

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

/** Which of a few units is owed how many calls, commit by commit. */
const commits = fc.array(fc.record({ unit: fc.nat({ max: 4 }), calls: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 5,
  maxLength: 25,
});

it('whatever the shopfloor does, each lane arrives whole, in order, applied once, and repeats carry the same body', async () => {
  await fc.assert(
    fc.asyncProperty(commits, fc.integer(), async (owed, seed) => {
      const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, faults, seed });
      const farms = [1, 2].map(() =>
        openPlainFarm(database, { line: lineAt(shopfloor.url), limits, random: () => 0.5 }),
      );
      const pumps = farms.map(
        (farm) => new Pump({ farm, createClient: (url) => createShopfloorClient({ url, clock: wallClock }) }),
      );
      try {
        const [first] = farms;
        const units = await Promise.all(
          [0, 1, 2, 3, 4].map((n) => insertUnit(first!.pool, `${shopfloor.url}${String(n)}`)),
        );
        for (const pump of pumps) pump.start();
        const expected = new Map<number, string[]>(units.map((unit) => [unit, []]));
        // The pumps are at work meanwhile.
        for (const { unit, calls } of owed) {
          const deviceId = units[unit]!;
          const ids = await oweTo(
            first!.pool,
            deviceId,
            Array.from({ length: calls }, () => callOfEvent('', 'Finalize')),
          );
          expected.get(deviceId)!.push(...ids);
          for (const farm of farms) farm.wake([{ kind: 'lanes' }]);
        }
        const all = [...expected.values()].flat();
        await vi.waitFor(
          async () => {
            const { rows } = await database.pool.query(
              `select id from shopfloor_calls where id = any($1::uuid[]) and state <> 'DELIVERED'`,
              [all],
            );
            expect(rows).toEqual([]);
          },
          { timeout: 50_000, interval: 10 },
        );
        const lines = await shopfloor.journal.lines();
        const applied = lines.filter(({ outcome }) => outcome === 'applied').map(({ key }) => key);
        for (const ids of expected.values()) expect(applied.filter((key) => ids.includes(key!))).toEqual(ids);
        expect(applied).toHaveLength(all.length);
        const bodies = new Set(lines.map(({ key, bodySha256 }) => `${String(key)} ${bodySha256}`));
        expect(bodies.size).toBe(all.length);
        // A call came twice only where the journal of sends says that an outcome was in doubt.
        const repeated = lines.filter(({ outcome }) => outcome === 'repeated').map(({ key }) => key);
        const { rows: doubtful } = await database.pool.query('select id from shopfloor_calls where ambiguous');
        expect(doubtful.map(({ id }) => id)).toEqual(expect.arrayContaining([...new Set(repeated)]));
        expect(await database.doctor()).toEqual([]);
      } finally {
        await Promise.all(pumps.map((pump) => pump.stop()));
        await Promise.all(farms.map((farm) => farm.close()));
        await shopfloor.stop();
      }
    }),
    { numRuns: RUNS },
  );
}, 300_000);
