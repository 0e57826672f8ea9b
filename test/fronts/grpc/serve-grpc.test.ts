// The door itself: health, reflection, faults of ours, a database that goes away, switches, and leaving.
import { setImmediate } from 'node:timers/promises';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { service as healthService } from 'grpc-health-check';
import { afterEach, expect, test } from 'vitest';
import { CannotStart } from '../../../src/core/cannot-start.ts';
import { stopHome } from '../../../src/farm/stop-home.ts';
import { openAdmission } from '../../support/admission.ts';
import { plainEntrance } from '../../support/plain-entrance.ts';
import { serveGrpc } from '../../../src/fronts/grpc/serve-grpc.ts';
import { BotsService } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import {
  CreateReservationRequest,
  ReservationsService,
} from '../../../src/gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { JobsService, ListJobsRequest } from '../../../src/gen/stationgrid/v1/jobs.ts';
import {
  connect,
  create,
  enqueue,
  LeaseState,
  openDoor,
  refusedBy,
  showing,
  type TestDoor,
  update,
} from './open-door.ts';

const opened: TestDoor[] = [];
const open = async (options: Parameters<typeof openDoor>[0] = {}): Promise<TestDoor> => {
  const door = await openDoor(options);
  opened.push(door);
  return door;
};
afterEach(async () => {
  for (const door of opened.splice(0)) await door.close();
});

const check = healthService['Check']!;
const health = (door: TestDoor, service: string): Promise<unknown> =>
  door.call(
    { path: check.path, requestSerialize: check.requestSerialize, responseDeserialize: check.responseDeserialize },
    { service },
  );

test('health speaks of every service by its name, and of the whole', async () => {
  const door = await open();
  for (const name of [
    '',
    'externalscaler.ExternalScaler',
    'google.devtools.remoteworkers.v1test2.Bots',
    'google.devtools.remoteworkers.v1test2.Reservations',
    'stationgrid.v1.Jobs',
    'stationgrid.v1.Results',
  ]) {
    expect(await health(door, name)).toEqual({ status: 'SERVING' });
  }
  expect(await refusedBy(health(door, 'nobody'))).toMatchObject({ code: 5 });
  door.door.setServing(false);
  expect(await health(door, '')).toEqual({ status: 'NOT_SERVING' });
});

test('reflection names what is served, and no more', async () => {
  const door = await open();
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  const call = door.grpc.makeBidiStreamRequest<Uint8Array, Uint8Array>(
    path,
    (asked) => Buffer.from(asked),
    (bytes) => bytes,
  );
  call.write(new BinaryWriter().tag(7, WireType.LengthDelimited).string('*').finish());
  const reply = await new Promise<Uint8Array>((came, failed) => call.once('data', came).once('error', failed));
  call.end();
  const fieldsOf = (bytes: Uint8Array, wanted: number): Uint8Array[] => {
    const reader = new BinaryReader(bytes);
    const found: Uint8Array[] = [];
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === wanted) found.push(reader.bytes());
      else reader.skip(wireType, number);
    }
    return found;
  };
  const names = fieldsOf(reply, 6)
    .flatMap((list) => fieldsOf(list, 1))
    .map((each) => Buffer.from(fieldsOf(each, 1)[0]!).toString());
  expect(names.toSorted()).toEqual([
    'externalscaler.ExternalScaler',
    'google.devtools.remoteworkers.v1test2.Bots',
    'google.devtools.remoteworkers.v1test2.Reservations',
    'stationgrid.v1.Fleet',
    'stationgrid.v1.Identity',
    'stationgrid.v1.Jobs',
    'stationgrid.v1.Results',
    'stationgrid.v1.Shopfloor',
    'stationgrid.v1.Units',
  ]);
});

test('a fault of ours is told as an internal error and nothing more, and logged once with its cause', async () => {
  const door = await open();
  const owner = door.database.ownerUrl;
  const { default: pg } = await import('pg');
  const client = new pg.Client(owner);
  await client.connect();
  await client.query('alter table jobs rename column reason to reason_of_old');
  await client.end();
  const refused = await refusedBy(door.call(JobsService.getJob, { instance: 'line-1', id: 1n }));
  expect(refused).toEqual({
    code: 13,
    words: 'internal error',
    reason: null,
    domain: null,
    metadata: {},
    retryMs: null,
  });
  const errors = door.logged.filter(({ level }) => level === 'error');
  expect(errors).toHaveLength(1);
  expect(errors[0]!.facts).toMatchObject({ method: '/stationgrid.v1.Jobs/GetJob', err: expect.any(Error) });
});

test('a database that is away is UNAVAILABLE, with leave to come again', async () => {
  const door = await open();
  const created = await create(door);
  await enqueue(door);
  const { pool } = door.database;
  const connectReally = pool.connect.bind(pool);
  const queryReally = pool.query.bind(pool);
  const away = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  Object.assign(pool, { connect: away, query: away });
  const list = door.call(JobsService.listJobs, ListJobsRequest.create({ instance: 'line-1' }));
  expect(await refusedBy(list)).toMatchObject({
    code: 14,
    reason: 'DATABASE_AWAY',
    domain: 'stationgrid',
    retryMs: 1000,
  });
  expect(await refusedBy(create(door, { botId: 'another' }))).toMatchObject({ code: 14, reason: 'DATABASE_AWAY' });
  Object.assign(pool, { connect: connectReally, query: queryReally });
  expect((await update(door, created)).leases).toHaveLength(1);
  expect(door.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('bot events can be switched off, and then are UNIMPLEMENTED as in BuildGrid', async () => {
  const door = await open({ bots: { recordBotEvents: false } });
  const created = await create(door);
  const post = door.call(BotsService.postBotEventTemp, { name: created.name, type: 2, msg: 'x' });
  expect(await refusedBy(post)).toMatchObject({ code: 12, reason: 'BOT_EVENTS_OFF' });
});

test('payloads can be told while PENDING only', async () => {
  const door = await open({ bots: { echoPayload: 'pending-only' } });
  await enqueue(door);
  const created = await create(door);
  expect(created.leases[0]!.payload).toBeDefined();
  expect((await update(door, created)).leases[0]!.payload).toBeDefined();
  expect((await update(door, showing(created, LeaseState.ACTIVE))).leases[0]).toMatchObject({ payload: undefined });
});

test('leaving answers parked polls with OK, and takes no more calls', async () => {
  const door = await open();
  const clients = Array.from({ length: 3 }, () => connect(door.door.address));
  const sessions = await Promise.all(Array.from({ length: 30 }, (_, n) => create(door, { botId: `bot-${n}` })));
  const polls = sessions.map((session, n) => update(clients[n % 3]!, session, {}));
  while ([...door.home.sessions.byName.values()].some(({ parked }) => parked === null)) await setImmediate();
  await stopHome(door.home);
  const leaving = door.door.stop();
  for (const reply of await Promise.all(polls)) expect(reply.leases).toEqual([]);
  await leaving;
  await expect(update(clients[0]!, sessions[0]!, { deadlineMs: 500 })).rejects.toMatchObject({
    code: expect.any(Number),
  });
  for (const { grpc } of clients) grpc.close();
});

test('leaving ends a watch with leave to resume it elsewhere, and a wait with what is', async () => {
  const door = await open();
  const { id } = await enqueue(door);
  const stream = door.grpc.makeServerStreamRequest(
    JobsService.watchJob.path,
    JobsService.watchJob.requestSerialize,
    JobsService.watchJob.responseDeserialize,
    { instance: 'line-1', id, cursor: '' },
  );
  const first = new Promise((resolve) => stream.once('data', resolve));
  const ended = new Promise((_, reject) => stream.once('error', reject));
  await first;
  const name = 'line-1/reservations/one';
  const payload = { typeUrl: 'example.com/acme.Task', value: Buffer.from([1]) };
  const reservation = { name, payload, matchTimeout: { seconds: 60n } };
  const asked = CreateReservationRequest.create({ parent: 'line-1', reservation });
  await door.call(ReservationsService.createReservation, asked);
  const waiting = door.call(ReservationsService.getReservation, { name, waitSeconds: 60n });
  // Calls of one connection arrive in their order: once this is answered, the wait has arrived.
  await health(door, '');
  const leaving = door.door.stop();
  expect(await refusedBy(ended)).toMatchObject({ code: 14, reason: 'SHUTTING_DOWN', retryMs: 1000 });
  expect((await waiting).name).toBe(name);
  await leaving;
});

test('a port that is taken cannot start the door, and the words say what to do', async () => {
  const door = await open();
  const nothing = () => undefined;
  const again = serveGrpc({
    home: door.home,
    address: { host: '127.0.0.1', port: door.door.port },
    entrance: plainEntrance(),
    bots: { recordBotEvents: true, echoPayload: 'until-completed' },
    metrics: { started: nothing, received: nothing, sent: nothing, handled: nothing },
    admission: openAdmission(door.home),
  });
  await expect(again).rejects.toThrow(CannotStart);
  await expect(again).rejects.toThrow(/Free the port, or give another with --grpc/);
});
