/** Who leads, when real processes are stopped, killed and ended. Who it is, the database says; each leader has its name there. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LINE } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 180_000;

let site: Site;
let farms: readonly StandingFarm[];
beforeAll(async () => {
  site = await openSite({ lines: () => [{ instance: LINE }] });
  const [first, second] = [await site.farm('first'), await site.farm('second')];
  farms = [first, second];
  await first.start();
  await second.start();
}, TIMEOUT_MS);
afterAll(() => site.close());

/** The session that has the lock. */
const session = (): Promise<{ readonly pid: number; readonly replica: string }> =>
  site.database(async (db) => {
    const { rows } = await db.query<{ pid: number; replica: string }>(
      `select pid, replace(application_name, 'stationgrid leadership ', '') as replica
       from pg_locks join pg_stat_activity using (pid)
       where locktype = 'advisory' and granted and application_name like 'stationgrid leadership %'`,
    );
    expect(rows).toHaveLength(1);
    return rows[0]!;
  });

/** The farm whose replica leads, as the replica that it is in its life of now. */
const leader = async (): Promise<{
  readonly farm: StandingFarm;
  readonly pid: number;
  readonly other: StandingFarm;
}> => {
  const { pid, replica } = await session();
  const at = farms.findIndex((farm) => farm.log().includes(`"replica":"${replica}"`));
  const [farm, other] = [farms[at], farms[1 - at]];
  if (farm === undefined || other === undefined) throw new Error(`${replica} is none of ours`);
  return { farm, pid, other };
};

const untilLeads = (farm: StandingFarm): Promise<void> =>
  eventually(async () => {
    expect((await leader()).farm).toBe(farm);
  }, TIMEOUT_MS);

const times = (farm: StandingFarm, words: string): number => farm.log().split(words).length - 1;
const BEGAN = '"this replica leads the farm"';
const ENDED = '"this replica leads the farm no longer"';

test('one that is stopped is followed by another, and knows when it goes on', { timeout: TIMEOUT_MS }, async () => {
  const { farm, pid, other } = await eventually(leader);
  farm.send('SIGSTOP');
  try {
    await untilLeads(other);
    // It was not the stopped process that let go: the server has ended its session.
    const { rows } = await site.database((db) => db.query('select from pg_stat_activity where pid = $1', [pid]));
    expect(rows).toEqual([]);
    expect(times(farm, BEGAN)).toBe(times(farm, ENDED) + 1);
  } finally {
    farm.send('SIGCONT');
  }
  await eventually(() => expect(times(farm, ENDED)).toBe(times(farm, BEGAN)), TIMEOUT_MS);
  await eventually(async () => {
    const page = await (await fetch(`${other.httpUrl}/metrics`)).text();
    expect(page).toContain('\nstationgrid_leader 1\n');
    expect(page).toMatch(/^stationgrid_leader_takeovers_total [1-9]/m);
  }, TIMEOUT_MS);
});

test('one that is killed is followed by another', { timeout: TIMEOUT_MS }, async () => {
  const { farm, other } = await eventually(leader);
  await farm.kill();
  await untilLeads(other);
  await farm.start();
});

test('one that ends in order hands over', { timeout: TIMEOUT_MS }, async () => {
  const { farm, other } = await eventually(leader);
  expect(await farm.stop()).toBe(0);
  expect(times(farm, ENDED)).toBe(times(farm, BEGAN));
  await untilLeads(other);
  await farm.start();
});

test('when PostgreSQL was killed, one of them leads again', { timeout: TIMEOUT_MS }, async () => {
  const before = await eventually(session);
  process.kill(site.postmasterPid(), 'SIGKILL');
  // Nobody but a farm that starts starts it.
  const third = await site.farm('third');

  await third.start();
  await eventually(async () => expect((await session()).pid).not.toBe(before.pid), TIMEOUT_MS);
});
