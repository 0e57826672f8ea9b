/**
 * The farm as bots of other projects find it. Each test is one bot that behaves as such bots in the field do, over a
 * client that knows nothing but the published .proto files, and with work that is no station's.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobsService, JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, type FieldLease, type FieldReply, openFieldBot } from './field-bot.ts';

const TYPE = 'type.example.com/field.Work';
const RESULT = { type_url: 'type.example.com/field.Result', value: Buffer.from('42') };

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
const bots: FieldBot[] = [];
beforeAll(async () => {
  site = await openSite({
    lines: () => [{ instance: LINE }],
    set: ['limits.session.ttl=20s', 'limits.session.lostAfter=40s', 'limits.replica.silentMax=10s'],
  });
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
});
afterAll(async () => {
  for (const one of [door, ...bots]) one.close();
  expect(await site.doctor()).toEqual([]);
  await site.close();
});

const openBot = (): FieldBot => {
  // Bots of the field do not share connections with anybody.
  const bot = openFieldBot(farm.address, bots.length);
  bots.push(bot);
  return bot;
};

/** Work that only the bot of this id may have. */
const enqueueFor = (botId: string, words = 'do it') =>
  door.enqueue({
    station: '',
    requestedBotId: botId,
    payload: { typeUrl: TYPE, value: Buffer.from(words) },
  });

const states = ({ leases }: { readonly leases: readonly FieldLease[] }): string[] => leases.map(({ state }) => state);
const words = (lease: FieldLease | undefined): string => Buffer.from(lease?.payload?.value ?? []).toString();

test('a worker without deadlines, which dies of any error, outlives restarts of its farm', async () => {
  // It replaces all it knows of itself with each reply, and reads its work from the reply that acknowledges ACTIVE. A
  // rejected call would end it, and this test with it.
  const bot = openBot();
  let session: FieldReply = await bot.create(LINE, {
    bot_id: 'cpp-1',
    status: 'OK',
    worker: { devices: [{ handle: 'dut', properties: [{ key: 'linux', value: '' }] }] },
  });
  const call = async (): Promise<FieldReply> => (session = await bot.update(session));

  // Parked without a deadline when the farm is asked to stop: answered, not cut off.
  const parked = call();
  await eventually(async () => expect(await farm.parkedPolls(LINE)).toBe(1));
  expect(await farm.stop()).toBe(0);
  expect(states(await parked)).toEqual([]);
  expect(session).toMatchObject({ bot_id: 'cpp-1', status: 'OK' });

  await farm.start();
  const { id } = await enqueueFor('cpp-1', 'eight hours of run-in');
  await eventually(async () => expect(states(await call())).toEqual(['PENDING']));
  // Full: it shows the lease as PENDING, and that is waiting, no error.
  expect(states(await call())).toEqual(['PENDING']);
  session = withState(session, 'ACTIVE');
  await call();
  expect(states(session)).toEqual(['ACTIVE']);
  expect(words(session.leases[0])).toBe('eight hours of run-in');

  // Between two calls the farm is killed and started again.
  await farm.kill();
  await farm.start();
  await call();
  expect(states(session)).toEqual(['ACTIVE']);
  expect(words(session.leases[0])).toBe('eight hours of run-in');

  session = withState(session, 'COMPLETED', { status: { code: 0 }, result: RESULT });
  await call();
  expect(session.leases).toEqual([]);
  const job = await door.jobIn(id, JobState.FINISHED);
  expect(job).toMatchObject({ attempts: 1, result: { typeUrl: RESULT.type_url } });
});

test('a worker with short deadlines is held, not spun; and its old name and leases get it back its work', async () => {
  const bot = openBot();
  const self = {
    bot_id: 'python-1',
    status: 'OK',
    // Keys without values, as that client sends its properties.
    worker: { devices: [{ handle: 'dut', properties: [{ key: 'x86-64', value: '' }] }], properties: [] },
  };
  let { name } = await bot.create(LINE, self, 3_000);
  // Of 3 s it gets 2.4, less up to a tenth: neither at once nor too late. A machine may be too slow for the rest of the 3 s.
  const heldMs: number[] = [];
  await eventually(async () => {
    const startedMs = performance.now();
    await bot.update({ ...self, name }, 3_000);
    heldMs.push(performance.now() - startedMs);
  });
  expect(Math.min(...heldMs)).toBeGreaterThan(1_500);

  const { id } = await door.enqueue({
    station: '',
    constraints: [{ key: 'x86-64', allowedValues: [''] }],
    payload: { typeUrl: TYPE, value: Buffer.from('anything') },
  });
  let lease = await eventually(async () => {
    const reply = await bot.update({ ...self, name }, 3_000);
    expect(states(reply)).toEqual(['PENDING']);
    return reply.leases[0]!;
  });
  // It reports the lease as it was given, payload and all.
  lease = { ...lease, state: 'ACTIVE' };
  expect(states(await bot.update({ ...self, name, leases: [lease] }, 3_000))).toEqual(['ACTIVE']);

  await farm.kill();
  await expect(bot.update({ ...self, name, leases: [lease] }, 3_000)).rejects.toMatchObject({ code: 14 });
  await farm.start();
  // After any error it creates itself again, with the name it had and the leases it has.
  const again = await eventually(() => bot.create(LINE, { ...self, name, leases: [lease] }, 3_000));
  expect(again.name).not.toBe(name);
  expect(again.leases).toMatchObject([{ id: lease.id, state: 'ACTIVE' }]);
  name = again.name;
  expect(await door.getJob(id)).toMatchObject({ state: JobState.LEASED, attempts: 1 });

  await door.ask(JobsService.cancelJob, { instance: LINE, id, reason: 'no longer wanted' });
  const cancelled = await bot.update({ ...self, name, leases: [lease] }, 3_000);
  expect(cancelled.leases).toMatchObject([{ id: lease.id, state: 'CANCELLED' }]);
  lease = { ...lease, state: 'CANCELLED' };
  // It acknowledges until the lease is left out.
  expect((await bot.update({ ...self, name, leases: [lease] }, 3_000)).leases).toEqual([]);
  await door.jobIn(id, JobState.CANCELLED);
});

test('a worker that begins INITIALIZING is given nothing until it is ready, then one lease at a time', async () => {
  const bot = openBot();
  const properties = [
    { key: 'label:pool', value: 'eve' },
    { key: 'label:pool', value: 'quota' },
  ];
  const self = { bot_id: 'luci-1', worker: { devices: [{ handle: 'primary', properties }] } };
  const [first, second] = [await enqueueFor('luci-1', 'one'), await enqueueFor('luci-1', 'two')];
  const created = await bot.create(LINE, { ...self, status: 'INITIALIZING' }, 9_000);
  expect(created.leases).toEqual([]);
  const { name } = created;
  expect((await bot.update({ ...self, name, status: 'INITIALIZING' }, 9_000)).leases).toEqual([]);

  const ready = { ...self, name, status: 'OK' };
  const offered = await bot.update(ready, 9_000);
  // It takes the first of what is PENDING, and would ignore any more.
  expect(states(offered)).toEqual(['PENDING']);
  const { id } = offered.leases[0]!;
  expect(words(offered.leases[0])).toBe('one');
  // No payload in its reports.
  expect(states(await bot.update({ ...ready, leases: [{ id, state: 'ACTIVE' }] }, 9_000))).toEqual(['ACTIVE']);

  await door.ask(JobsService.cancelJob, { instance: LINE, id: first.id, reason: 'no longer wanted' });
  expect(states(await bot.update({ ...ready, leases: [{ id, state: 'ACTIVE' }] }, 9_000))).toEqual(['CANCELLED']);
  // It knows no CANCELLED of its own: it has stopped, and so it is done. The next work comes with the same reply.
  const next = await bot.update({ ...ready, leases: [{ id, state: 'COMPLETED', status: { code: 0 } }] }, 9_000);
  expect(states(next)).toEqual(['PENDING']);
  expect(words(next.leases[0])).toBe('two');
  await door.jobIn(first.id, JobState.CANCELLED);

  const lease = next.leases[0]!.id;
  await bot.update({ ...ready, leases: [{ id: lease, state: 'ACTIVE' }] }, 9_000);
  const done = { id: lease, state: 'COMPLETED', status: { code: 0 }, result: RESULT };
  // Its proxy sends the same request twice when an answer is lost on the way.
  const both = await Promise.all([
    bot.update({ ...ready, leases: [done] }, 9_000),
    bot.update({ ...ready, leases: [done] }, 9_000),
  ]);
  expect(both.map(({ leases }) => leases)).toEqual([[], []]);
  expect(await door.jobIn(second.id, JobState.FINISHED)).toMatchObject({ attempts: 1 });
});

test('a bot that loses every second reply does its work once', async () => {
  const bot = openBot();
  const self = { bot_id: 'lossy-1', status: 'OK' };
  const { id } = await enqueueFor('lossy-1');
  /** Sent twice; only the second answer arrives. */
  const lossy = async (request: () => Promise<FieldReply>): Promise<FieldReply> => {
    await request();
    return request();
  };
  const { name } = await lossy(() => bot.create(LINE, self, 5_000));
  const update = (leases: readonly FieldLease[]): Promise<FieldReply> =>
    lossy(() => bot.update({ ...self, name, leases }, 5_000));
  const offered = await update([]);
  expect(states(offered)).toEqual(['PENDING']);
  const lease = offered.leases[0]!;
  expect((await update([{ id: lease.id, state: 'ACTIVE' }])).leases).toMatchObject([{ id: lease.id, state: 'ACTIVE' }]);
  expect((await update([{ id: lease.id, state: 'COMPLETED', result: RESULT }])).leases).toEqual([]);
  expect(await door.jobIn(id, JobState.FINISHED)).toMatchObject({ attempts: 1, botId: 'lossy-1' });
});

const withState = (session: FieldReply, state: string, changes: Partial<FieldLease> = {}): FieldReply => ({
  ...session,
  leases: session.leases.map((lease) => ({ ...lease, state, ...changes })),
});
