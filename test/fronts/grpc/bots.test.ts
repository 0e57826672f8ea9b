// The Bots contract as clients in the field meet it: through the generated codec and a real socket.
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  BotsService,
  CreateBotSessionRequest,
  UpdateBotSessionRequest,
} from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { FleetService } from '../../../src/gen/stationgrid/v1/fleet.ts';
import { JobsService, JobState, Verdict } from '../../../src/gen/stationgrid/v1/jobs.ts';
import { StationWork, TestStatus } from '../../../src/gen/stationgrid/v1/work.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import {
  BotStatus,
  create,
  enqueue,
  getJob,
  LeaseState,
  openDoor,
  refusedBy,
  session,
  showing,
  stationResult,
  type TestDoor,
  update,
} from './open-door.ts';

const INVALID_ARGUMENT = 3;
const DATA_LOSS = 15;

let door: TestDoor;
/** Holds polls so long that only something else than time can end one within a test. */
let patient: TestDoor;
beforeAll(async () => {
  door = await openDoor();
  patient = await openDoor({ limits: { poll: { holdMaxMs: 45_000 } } });
});
afterAll(async () => {
  await door.close();
  await patient.close();
});

/** Bots and stations of one test's own, so that tests share a farm and never each other's work. */
let drawn = 0;
const only = () => {
  drawn += 1;
  const key = `test-${drawn}`;
  return {
    botId: `bot-${key}`,
    worker: { devices: [{ handle: 'primary', properties: [{ key: 'for', value: key }] }] },
    constraints: [{ key: 'for', allowedValues: [key] }],
  };
};

test('answers Create with a name of the parent, the bot_id, and a session that lasts', async () => {
  const before = Date.now();
  const { botId, worker } = only();
  const created = await create(door, { botId, worker, version: '1.2' });
  expect(created.name).toMatch(/^line-1\/[0-9a-f-]{36}$/);
  expect(created).toMatchObject({ botId, status: BotStatus.OK, version: '1.2', leases: [] });
  expect(created.worker?.devices[0]?.properties).toEqual(worker.devices[0]!.properties);
  expect(Number(created.expireTime?.seconds) * 1000).toBeGreaterThanOrEqual(before + 89_000);
});

test('ignores a name that the client sends with Create', async () => {
  const created = await create(door, { ...only(), name: 'line-1/of-its-own' });
  expect(created.name).not.toBe('line-1/of-its-own');
});

test('refuses a Create without a bot_id, without a session, and for an instance that is not declared', async () => {
  expect(await refusedBy(create(door, { botId: '' }))).toMatchObject({
    code: INVALID_ARGUMENT,
    reason: 'NO_BOT_ID',
    domain: 'stationgrid',
  });
  const empty = CreateBotSessionRequest.create({ parent: 'line-1' });
  expect((await refusedBy(door.call(BotsService.createBotSession, empty))).reason).toBe('NO_BOT_SESSION');
  expect(await refusedBy(create(door, only(), 'line-9'))).toMatchObject({
    code: INVALID_ARGUMENT,
    reason: 'UNKNOWN_INSTANCE',
  });
});

test('moves the expiry on with every Update', async () => {
  const created = await create(door, { ...only(), status: BotStatus.UNHEALTHY });
  const updated = await update(door, created);
  expect(updated.expireTime!.seconds).toBeGreaterThanOrEqual(created.expireTime!.seconds);
});

test('refuses an Update whose name is blank, differs, or was never given out', async () => {
  const created = await create(door, { ...only(), status: BotStatus.UNHEALTHY });
  const call = (name: string, botSession: typeof created) =>
    refusedBy(door.call(BotsService.updateBotSession, UpdateBotSessionRequest.create({ name, botSession })));
  expect(await call('', { ...created, name: '' })).toMatchObject({ code: INVALID_ARGUMENT, reason: 'NAME_MISMATCH' });
  expect(await call('line-1/other', created)).toMatchObject({ code: INVALID_ARGUMENT, reason: 'NAME_MISMATCH' });
  const never = 'line-1/00000000-0000-4000-8000-000000000000';
  expect(await call(never, { ...created, name: never })).toMatchObject({
    code: INVALID_ARGUMENT,
    reason: 'SESSION_UNKNOWN',
  });
});

test('answers an Update under another bot_id as if the session were not there, and closes nothing', async () => {
  const created = await create(door, { ...only(), status: BotStatus.UNHEALTHY });
  const stranger = await refusedBy(update(door, { ...created, botId: 'bot-of-somebody-else' }));
  expect(stranger).toMatchObject({ code: INVALID_ARGUMENT, reason: 'SESSION_UNKNOWN' });
  expect((await update(door, created)).name).toBe(created.name);
});

test('tells a replaced session by DATA_LOSS what happened and what to do, and leaves the new one alone', async () => {
  const bot = { ...only(), status: BotStatus.UNHEALTHY };
  const old = await create(door, bot);
  const fresh = await create(door, bot);
  const refused = await refusedBy(update(door, old));
  expect(refused).toMatchObject({ code: DATA_LOSS, reason: 'SESSION_CLOSED' });
  expect(refused.words).toMatch(/replaced by a newer session.*Create a new session/);
  expect((await update(door, fresh)).name).toBe(fresh.name);
});

test('hands out waiting work in the Create reply: one PENDING lease whose payload says what was queued', async () => {
  const { constraints, ...bot } = only();
  const first = await enqueue(door, { constraints });
  await enqueue(door, { constraints });
  const created = await create(door, bot);
  expect(created.leases).toHaveLength(1);
  const [lease] = created.leases;
  expect(lease).toMatchObject({
    state: LeaseState.PENDING,
    status: undefined,
    requirements: undefined,
    result: undefined,
  });
  expect(lease!.payload!.typeUrl).toBe('type.googleapis.com/stationgrid.v1.StationWork');
  const work = StationWork.decode(lease!.payload!.value);
  expect(work).toMatchObject({ station: 'FAT', jobId: first.id, attempt: 1, serials: {} });
  expect(work.tests.map(({ testId }) => testId)).toEqual(['FAT.Probe']);
  expect(work.lostAfter!.seconds).toBe(90n);
});

test('runs a lease from PENDING to a verdict, and gives the next one in the reply to COMPLETED', async () => {
  const { constraints, ...bot } = only();
  const [one, two] = [await enqueue(door, { constraints }), await enqueue(door, { constraints })];
  const created = await create(door, bot);
  const active = await update(door, showing(created, LeaseState.ACTIVE));
  expect(active.leases).toMatchObject([{ id: created.leases[0]!.id, state: LeaseState.ACTIVE }]);
  // C++ workers read the payload from the reply that acknowledges ACTIVE.
  expect(active.leases[0]!.payload).toEqual(created.leases[0]!.payload);
  const next = await update(door, showing(active, LeaseState.COMPLETED, { result: stationResult() }));
  expect(next.leases).toMatchObject([{ state: LeaseState.PENDING }]);
  expect(next.leases[0]!.id).not.toBe(created.leases[0]!.id);
  expect(await getJob(door, one.id)).toMatchObject({
    state: JobState.FINISHED,
    verdict: Verdict.VERDICT_PASSED,
    attempts: 1,
  });
  expect(await getJob(door, two.id)).toMatchObject({ state: JobState.LEASED });
});

test('a completion without results fails the unit, and so does a result that cannot be read', async () => {
  const torn = { typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult', value: Buffer.from([0xff]) };
  const unread = 'the results of its end cannot be read: ';
  for (const [result, reason] of [
    [undefined, 'no result'],
    [torn, `${unread}they are no stationgrid.v1.StationResult`],
    [stationResult({ '': TestStatus.PASSED }), `${unread}The test id of a result is empty. Give it.`],
    [stationResult({ 'FAT.Probe': 42 as TestStatus }), expect.stringContaining('has the status 42. Use PASSED')],
  ] as const) {
    const { constraints, ...bot } = only();
    const { id } = await enqueue(door, { constraints });
    const created = await create(door, bot);
    const reply = await update(door, showing(created, LeaseState.COMPLETED, { result }));
    expect(reply.leases).toEqual([]);
    const job = await getJob(door, id);
    expect(job).toMatchObject({ state: JobState.FINISHED, verdict: Verdict.VERDICT_FAILED, reason });
    expect(job.result).toEqual(result);
  }
});

test('keeps what a bot printed, with U+0000 replaced, rather than fail the unit for it', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const { StationResult } = await import('../../../src/gen/stationgrid/v1/work.ts');
  const results = [{ testId: 'FAT.Probe', status: TestStatus.PASSED, errorMessage: 'a\0b', logsTail: '\0'.repeat(3) }];
  const value = Buffer.from(StationResult.encode(StationResult.create({ results })).finish());
  const result = { typeUrl: 'x/stationgrid.v1.StationResult', value };
  await update(
    door,
    showing(created, LeaseState.COMPLETED, { result, status: { code: 0, message: '\0', details: [] } }),
  );
  const job = await getJob(door, id);
  expect(job.verdict).toBe(Verdict.VERDICT_PASSED);
  expect(job.results[0]).toMatchObject({ errorMessage: 'a\uFFFDb', logsTail: '\uFFFD\uFFFD\uFFFD' });
});

test('a completion sent again is answered the same and counts once; a different one changes nothing', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const measured = {
    name: 'current',
    value: { $case: 'number' as const, value: 1.5 },
    unit: 'mA',
    min: 1,
    max: 2,
    verdict: TestStatus.PASSED,
  };
  const { StationResult } = await import('../../../src/gen/stationgrid/v1/work.ts');
  const packed = (status: TestStatus) => ({
    typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
    value: Buffer.from(
      StationResult.encode(
        StationResult.create({ results: [{ testId: 'FAT.Probe', status, measurements: [measured] }] }),
      ).finish(),
    ),
  });
  const done = showing(created, LeaseState.COMPLETED, { result: packed(TestStatus.PASSED) });
  expect((await update(door, done)).leases).toEqual([]);
  expect((await update(door, done)).leases).toEqual([]);
  const staleCount = async () =>
    (await door.database.pool.query('select id from test_results where job_id = $1 and stale', [id])).rowCount;
  expect(await staleCount()).toBe(0);
  const other = showing(created, LeaseState.COMPLETED, { result: packed(TestStatus.FAILED) });
  expect((await update(door, other)).leases).toEqual([]);
  expect(await staleCount()).toBe(1);
  expect((await getJob(door, id)).verdict).toBe(Verdict.VERDICT_PASSED);
});

test('the end of a lease nobody gave out, under a name that is none of ours, is left out without a word', async () => {
  const created = await create(door, { ...only(), status: BotStatus.UNHEALTHY });
  const { Lease } = await import('../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts');
  const leases = ['not-ours', '', '\0', '00000000-0000-4000-8000-000000000000'].map((id) =>
    Lease.create({ id, state: LeaseState.COMPLETED, result: stationResult() }),
  );
  expect((await update(door, { ...created, leases })).leases).toEqual([]);
});

test('a reply that was lost is given again: the same lease, and no new attempt', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const again = await update(door, { ...created, leases: [] });
  expect(again.leases.map((lease) => [lease.id, lease.state])).toEqual([[created.leases[0]!.id, LeaseState.PENDING]]);
  expect((await getJob(door, id)).attempts).toBe(0);
});

test('a bot that is full may show a lease as PENDING for as long as it likes', async () => {
  const { constraints, ...bot } = only();
  await enqueue(door, { constraints });
  const created = await create(door, bot);
  for (let i = 0; i < 3; i += 1) {
    const reply = await update(door, created);
    expect(reply.leases).toMatchObject([{ id: created.leases[0]!.id, state: LeaseState.PENDING }]);
    expect(reply.leases[0]!.payload).toBeDefined();
  }
});

test('a late echo of PENDING takes no progress back', async () => {
  const { constraints, ...bot } = only();
  await enqueue(door, { constraints });
  const created = await create(door, bot);
  await update(door, showing(created, LeaseState.ACTIVE));
  expect((await update(door, created)).leases).toMatchObject([{ state: LeaseState.ACTIVE }]);
});

test('an ACTIVE lease left out once is shown again; left out twice it is lost and tried again', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  await update(door, showing(created, LeaseState.ACTIVE));
  const once = await update(door, { ...created, leases: [] });
  expect(once.leases).toMatchObject([{ id: created.leases[0]!.id, state: LeaseState.ACTIVE }]);
  await update(door, { ...created, leases: [] });
  expect((await getJob(door, id)).attempts).toBe(1);
  expect((await getJob(door, id)).state).not.toBe(JobState.FINISHED);
});

test('refusing work makes the farm look for another bot', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const status = { code: 9, message: 'no fixture here', details: [] };
  const reply = await update(door, showing(created, LeaseState.COMPLETED, { status }));
  expect(reply.leases).toEqual([]);
  expect(await getJob(door, id)).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
  const other = await create(door, { ...bot, botId: `${bot.botId}-other` });
  expect(other.leases).toHaveLength(1);
});

test('a cancel is seen as CANCELLED, again and again, until the bot acknowledges it in any of three ways', async () => {
  for (const acknowledge of [
    (told: Awaited<ReturnType<typeof create>>) => showing(told, LeaseState.CANCELLED),
    (told: Awaited<ReturnType<typeof create>>) => showing(told, LeaseState.COMPLETED),
    (told: Awaited<ReturnType<typeof create>>) => ({ ...told, leases: [] }),
  ]) {
    const { constraints, ...bot } = only();
    const { id } = await enqueue(door, { constraints });
    const created = await create(door, bot);
    const active = await update(door, showing(created, LeaseState.ACTIVE));
    const asked = await door.call(JobsService.cancelJob, { instance: 'line-1', id, reason: 'wrong unit' });
    expect(asked.state).toBe(JobState.CANCELLING);
    let told = active;
    while (told.leases[0]!.state !== LeaseState.CANCELLED) told = await update(door, active);
    expect(told.leases[0]!.payload).toBeUndefined();
    expect((await update(door, active)).leases).toMatchObject([{ state: LeaseState.CANCELLED }]);
    await update(door, acknowledge(told));
    expect(await getJob(door, id)).toMatchObject({ state: JobState.CANCELLED, reason: 'wrong unit' });
  }
});

test('a bot that comes back with its lease keeps it, and one that comes back without gives it up', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const active = await update(door, showing(created, LeaseState.ACTIVE));
  // The 2019 Python client sends its old name and leases along.
  const again = await create(door, { ...active, ...bot });
  expect(again.name).not.toBe(created.name);
  expect(again.leases).toMatchObject([{ id: created.leases[0]!.id, state: LeaseState.ACTIVE }]);
  expect(await getJob(door, id)).toMatchObject({ state: JobState.LEASED, attempts: 1 });
  await create(door, bot);
  expect((await getJob(door, id)).attempts).toBe(1);
});

test('a poll is held for what its deadline allows, and for the cap when it has none', async () => {
  const clock = createManualClock(new Date());
  const held = await openDoor({ clock, limits: { poll: { holdMaxMs: 45_000 } } });
  const created = await create(held, only());
  const parked = async (options: { readonly deadlineMs?: number }) => {
    const before = held.home.sessions.byName.get(created.name)!.parked;
    const poll = update(held, created, options);
    while ([null, before].includes(held.home.sessions.byName.get(created.name)!.parked)) await setImmediate();
    let answered = false;
    void poll.then(() => (answered = true));
    return { poll, isAnswered: () => answered };
  };
  // 0.8 of 30 s, 10 % less at the most.
  const hasDeadline = await parked({ deadlineMs: 30_000 });
  await clock.advance(20_000);
  expect(hasDeadline.isAnswered()).toBe(false);
  await clock.advance(20_000);
  expect((await hasDeadline.poll).leases).toEqual([]);
  const hasNone = await parked({});
  await clock.advance(40_000);
  expect(hasNone.isAnswered()).toBe(false);
  await clock.advance(6_000);
  expect((await hasNone.poll).leases).toEqual([]);
  await held.close();
});

test('work that arrives ends a parked poll, deadline or none', async () => {
  for (const options of [{}, { deadlineMs: 30_000 }]) {
    const { constraints, ...bot } = only();
    const created = await create(patient, bot);
    const poll = update(patient, created, options);
    const { id } = await enqueue(patient, { constraints });
    const reply = await poll;
    expect(reply.leases).toMatchObject([{ state: LeaseState.PENDING }]);
    expect(StationWork.decode(reply.leases[0]!.payload!.value).jobId).toBe(id);
  }
});

test('a newer call of a session ends the parked one with OK, and so does its replacement', async () => {
  const bot = only();
  const created = await create(patient, bot);
  const first = update(patient, created);
  const second = update(patient, created);
  expect((await first).leases).toEqual([]);
  await create(patient, { ...bot, status: BotStatus.UNHEALTHY });
  expect((await second).leases).toEqual([]);
});

test('only OK is given work, whatever number a bot calls itself', async () => {
  for (const status of [0, 2, 3, 4, 5, 6, 42, -1]) {
    const { constraints, ...bot } = only();
    await enqueue(door, { constraints });
    const created = await create(door, { ...bot, status });
    expect(created).toMatchObject({ status, leases: [] });
    expect(await update(door, created)).toMatchObject({ status, leases: [] });
    if (status !== BotStatus.BOT_TERMINATING) {
      expect((await update(door, { ...created, status: BotStatus.OK })).leases).toHaveLength(1);
    }
  }
});

test('a bot that terminates hands back what it has not started, and its session ends', async () => {
  const { constraints, ...bot } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  const gone = await update(door, { ...created, status: BotStatus.BOT_TERMINATING });
  expect(gone).toMatchObject({ status: BotStatus.BOT_TERMINATING, leases: [] });
  expect(await getJob(door, id)).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
  expect((await refusedBy(update(door, created))).code).toBe(DATA_LOSS);
});

test('labels that change in mid-session take effect at once', async () => {
  const { constraints, worker, botId } = only();
  await enqueue(door, { constraints });
  const created = await create(door, { botId });
  expect(created.leases).toEqual([]);
  const { Worker } = await import('../../../src/gen/google/devtools/remoteworkers/v1test2/worker.ts');
  const reply = await update(door, { ...created, worker: Worker.create(worker) });
  expect(reply.leases).toHaveLength(1);
});

test('matches on repeated keys, on keys with and without `label:`, and on keys whose value is empty', async () => {
  const { botId } = only();
  const properties = [
    { key: 'label:fixture', value: 'a' },
    { key: 'fixture', value: 'b' },
    { key: `linux-${botId}`, value: '' },
  ];
  await enqueue(door, {
    constraints: [
      { key: 'fixture', allowedValues: ['b'] },
      { key: 'label:fixture', allowedValues: ['a'] },
      { key: `linux-${botId}`, allowedValues: [''] },
    ],
  });
  const created = await create(door, { botId, worker: { devices: [{ handle: 'x', properties }] } });
  expect(created.leases).toHaveLength(1);
  expect(created.worker?.devices[0]?.properties).toEqual(properties);
});

test('fills a declared capacity, tops it up, and takes anything that is no number for 1', async () => {
  for (const [value, leases] of [
    ['3', 3],
    ['0', 0],
    ['many', 1],
    ['-2', 1],
    ['', 1],
  ] as const) {
    const { constraints, ...bot } = only();
    for (let i = 0; i < 4; i += 1) await enqueue(door, { constraints });
    const worker = { ...bot.worker, configs: [{ key: 'capacity', value }] };
    const created = await create(door, { ...bot, worker });
    expect(created.leases, `capacity ${value}`).toHaveLength(leases);
    if (leases !== 3) continue;
    const [one, ...others] = showing(created, LeaseState.ACTIVE).leases;
    const done = { ...one!, state: LeaseState.COMPLETED, result: stationResult() };
    expect((await update(door, { ...created, leases: [done, ...others] })).leases).toHaveLength(3);
  }
  expect(door.logged.filter(({ words }) => words.includes('capacity'))).toHaveLength(3);
});

test('the DUT a device declares is what pinned work is given to', async () => {
  const { botId } = only();
  const serials = { 'serials.mlb_serial_number': `MLB-${botId}` };
  const { id } = await enqueue(door, { serials });
  const other = await create(door, { botId: `${botId}-other`, worker: { devices: [{ handle: 'x' }] } });
  expect(other.leases).toEqual([]);
  const properties = [{ key: 'label:serials.mlb_serial_number', value: `MLB-${botId}` }];
  const created = await create(door, { botId, worker: { devices: [{ handle: 'x', properties }] } });
  const work = StationWork.decode(created.leases[0]!.payload!.value);
  expect(work).toMatchObject({ jobId: id, serials });
});

test('hands out a payload of any type byte for byte, and its result back', async () => {
  const { constraints, ...bot } = only();
  const payload = { typeUrl: 'example.com/acme.Task', value: Buffer.from([8, 1, 0xff, 0]) };
  const { id } = await enqueue(door, { constraints, task: { $case: 'payload', value: payload } });
  const created = await create(door, bot);
  expect(created.leases[0]!.payload).toEqual(payload);
  const result = { typeUrl: 'example.com/acme.Answer', value: Buffer.from([1, 2, 3]) };
  await update(door, showing(created, LeaseState.COMPLETED, { result }));
  expect(await getJob(door, id)).toMatchObject({
    state: JobState.FINISHED,
    verdict: Verdict.VERDICT_UNSPECIFIED,
    result,
  });
});

test('records bot events; three errors in a row quarantine, an INFO between clears the count', async () => {
  const { constraints, ...bot } = only();
  const created = await create(door, bot);
  const post = (type: number, msg: string) =>
    door.call(BotsService.postBotEventTemp, { name: created.name, type: type as 0, msg });
  for (const [type, msg] of [
    [2, 'one'],
    [2, 'two'],
    [1, 'better'],
    [2, 'three'],
    [2, 'four'],
  ] as const) {
    expect(await post(type, msg)).toEqual({});
  }
  const name = { instance: 'line-1', botId: bot.botId };
  expect(await door.call(FleetService.getBot, name)).toMatchObject({ quarantineReason: '', errorEvents: 2 });
  await post(2, 'the probe is bent');
  const shown = await door.call(FleetService.getBot, name);
  expect(shown.quarantineReason).toMatch(/the probe is bent/);
  expect(shown.events[0]).toMatchObject({ type: 'ERROR', message: 'the probe is bent' });
  await enqueue(door, { constraints });
  // It goes on being answered OK.
  expect((await update(door, created)).leases).toEqual([]);
  await door.call(FleetService.releaseBot, { ...name, reason: 'new probe' });
  let reply = await update(door, created);
  while (reply.leases.length === 0) reply = await update(door, created);
  expect(reply.leases).toHaveLength(1);
});

test('an event for a session that is not there is refused as an Update would be', async () => {
  const post = (name: string) => refusedBy(door.call(BotsService.postBotEventTemp, { name, type: 1, msg: 'hello' }));
  expect(await post('')).toMatchObject({ code: INVALID_ARGUMENT });
  expect(await post('line-1/none')).toMatchObject({ code: INVALID_ARGUMENT, reason: 'SESSION_UNKNOWN' });
});

test('refuses property bombs and text that cannot be stored, and leaves nothing behind', async () => {
  const many = Array.from({ length: 129 }, (_, n) => ({ key: `k${n}`, value: 'v' }));
  const bombs = [
    [{ worker: { devices: [{ properties: many }, { properties: many }] } }, 'TOO_MANY_PROPERTIES'],
    [{ worker: { properties: [{ key: 'k', value: 'v'.repeat(4097) }] } }, 'TEXT_TOO_LONG'],
    [{ worker: { properties: [{ key: 'k'.repeat(4097), value: '' }] } }, 'TEXT_TOO_LONG'],
    [{ worker: { devices: [{ properties: [{ key: `serials.${'x'.repeat(300)}`, value: 'v' }] }] } }, 'TEXT_TOO_LONG'],
    [{ worker: { devices: Array.from({ length: 65 }, () => ({ handle: 'x' })) } }, 'TOO_MANY_DEVICES'],
    [{ worker: { properties: [{ key: 'k', value: 'a\0b' }] } }, 'TEXT_NOT_STORABLE'],
    [{ version: '\0' }, 'TEXT_NOT_STORABLE'],
    [{ leases: Array.from({ length: 257 }, () => ({ id: 'x' })) }, 'TOO_MANY_LEASES'],
  ] as const;
  const botId = 'bot-that-never-came';
  for (const [bomb, reason] of bombs) {
    expect(await refusedBy(create(door, { botId, ...bomb })), reason).toMatchObject({ code: INVALID_ARGUMENT, reason });
  }
  expect(await refusedBy(create(door, { botId: 'a\0b' }))).toMatchObject({ reason: 'TEXT_NOT_STORABLE' });
  expect(await refusedBy(create(door, { botId }, 'a\0b'))).toMatchObject({ reason: 'TEXT_NOT_STORABLE' });
  const { rowCount } = await door.database.pool.query('select from bots where bot_id = $1', [botId]);
  expect(rowCount).toBe(0);
});

test('an oversized message is refused, and so are bytes that are no message', async () => {
  const session_ = session({ version: 'v'.repeat(5 * 1024 * 1024) });
  const huge = CreateBotSessionRequest.create({ parent: 'line-1', botSession: session_ });
  expect(await refusedBy(door.call(BotsService.createBotSession, huge))).toMatchObject({ code: 8 });
  const garbage = { ...BotsService.createBotSession, requestSerialize: () => Buffer.from([0x0a, 0xff, 0xff]) };
  expect(await refusedBy(door.call(garbage, huge))).toMatchObject({
    code: INVALID_ARGUMENT,
    reason: 'MALFORMED_MESSAGE',
  });
});
