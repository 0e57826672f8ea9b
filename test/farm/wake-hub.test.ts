import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Wake } from '../../src/farm/farm.ts';
import { createWakeHub, type WakeHub } from '../../src/farm/wake-hub.ts';
import { createNotices, sendNotice } from '../../src/store/notices.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { wallClock } from '../support/wall-clock.ts';

type TestHub = WakeHub & { readonly heard: Wake[]; missed: number; readonly warned: string[] };

let database: FreshDatabase;
let hubs: TestHub[];
beforeEach(async () => {
  database = await freshDatabase();
  hubs = [];
});
afterEach(async () => {
  await Promise.all(hubs.map((hub) => hub.stop()));
  await database.drop();
});

/** A hub that listens by the time this resolves. */
const openHub = async (replica: string, noticesPerSecondMax = 1_000): Promise<TestHub> => {
  const heard: Wake[] = [];
  const warned: string[] = [];
  const hub = createWakeHub({
    replica,
    notices: createNotices(database.pool, database.url, 2_000),
    clock: wallClock,
    log: { info: () => undefined, warn: (_facts, sentence) => warned.push(sentence), error: () => undefined },
    noticesPerSecondMax,
    missed: () => (opened.missed += 1),
  });
  const opened: TestHub = Object.assign(hub, { heard, warned, missed: 0 });
  hub.onWake((wake) => heard.push(wake));
  hub.setReplicas(2);
  hubs.push(opened);
  hub.start();
  await expect.poll(() => opened.missed).toBe(1);
  return opened;
};

const device = (id: number): Wake => ({ kind: 'device', id });

describe('wakes between replicas', () => {
  it('are heard at home at once, and by the others soon, each kind as it was said', async () => {
    const [here, there] = [await openHub('here'), await openHub('there')];
    const wakes: readonly Wake[] = [
      { kind: 'requirement', id: 1, jobs: 2 },
      { kind: 'device', id: 3 },
      { kind: 'bot', instance: '', botId: 'b\u0007"\\' },
      { kind: 'session', name: 'line-1/x' },
      { kind: 'job', id: 4 },
      { kind: 'lanes' },
      { kind: 'drains' },
      { kind: 'tokens' },
      { kind: 'lead' },
    ];
    here.wake(wakes);
    expect(here.heard).toEqual(wakes);
    await expect.poll(() => there.heard).toEqual(wakes);
    // Its own notice is no news to a replica.
    expect(here.heard).toHaveLength(wakes.length);
  });

  it('that say the same are gathered into one, and many share a notice', async () => {
    const [here, there] = [await openHub('here', 20), await openHub('there')];
    const sent: string[] = [];
    const { pool } = database;
    const query = pool.query.bind(pool) as (...given: unknown[]) => unknown;
    Object.assign(pool, {
      query: (...given: unknown[]) => {
        if (String(given[0]).includes('pg_notify')) sent.push(String((given[1] as unknown[])[1]));
        return query(...given);
      },
    });
    for (let n = 0; n < 2_000; n += 1) here.wake([device(n), device(n)]);
    await expect.poll(() => there.heard.length).toBeGreaterThanOrEqual(2_000);
    Object.assign(pool, { query });
    expect(new Set(there.heard.map((wake) => JSON.stringify(wake))).size).toBe(2_000);
    expect(sent.length).toBeLessThan(20);
    for (const notice of sent) expect(Buffer.byteLength(notice)).toBeLessThan(8_000);
  });

  it('are not sent when nobody else is there', async () => {
    const [here, there] = [await openHub('here'), await openHub('there')];
    here.setReplicas(1);
    here.wake([device(1)]);
    here.setReplicas(2);
    here.wake([device(2)]);
    await expect.poll(() => there.heard).toEqual([device(2)]);
  });

  it('after a connection was lost are heard again, and what may have been missed is said', async () => {
    const [here, there] = [await openHub('here'), await openHub('there')];
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'stationgrid listener'`,
    );
    await expect.poll(() => there.missed, { timeout: 10_000 }).toBe(2);
    here.wake([device(7)]);
    await expect.poll(() => there.heard).toContainEqual(device(7));
  });

  it('of another version, or garbage, are left alone', async () => {
    const hub = await openHub('here');
    const { pool } = database;
    await sendNotice(pool, 'no json');
    await sendNotice(pool, '{"from":"x"}');
    await sendNotice(pool, '{"from":"x","wakes":[{"kind":"new"},{"kind":"job","id":"7"},null,{"kind":"job","id":7}]}');
    await expect.poll(() => hub.heard).toEqual([{ kind: 'job', id: 7 }]);
  });

  it('one too long for a notice is left to the tick, and holds up no other', async () => {
    const [here, there] = [await openHub('here'), await openHub('there')];
    here.wake([{ kind: 'session', name: 'x'.repeat(9_000) }, device(1)]);
    await expect.poll(() => there.heard).toEqual([device(1)]);
  });

  it('stop with the hub, and what was gathered is still sent', async () => {
    const [here, there] = [await openHub('here'), await openHub('there')];
    here.wake([device(1)]);
    await here.stop();
    await expect.poll(() => there.heard).toEqual([device(1)]);
  });
});
