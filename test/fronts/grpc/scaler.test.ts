/** KEDA's external scaler, as KEDA asks it: by its published declaration, over a real socket, of a farm at work. */
import { credentials, loadPackageDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelJob } from '../../../src/farm/cancel-job.ts';
import { BotStatus, create, enqueue, LeaseState, openDoor, showing, type TestDoor, update } from './open-door.ts';

type Ref = { readonly name: string; readonly namespace: string; readonly scalerMetadata: Record<string, string> };
type Value = { readonly metricName: string; readonly metricValue: string; readonly metricValueFloat: number };
type Spec = { readonly metricName: string; readonly targetSize: string; readonly targetSizeFloat: number };
type Unary = <R>(method: string, request: unknown) => Promise<R>;

const declared = loadSync('externalscaler/externalscaler.proto', {
  includeDirs: ['protos'],
  longs: String,
  defaults: true,
});

let door: TestDoor;
let keda: { readonly ask: Unary; readonly stream: (ref: Ref) => Stream; readonly close: () => void };

beforeAll(async () => {
  door = await openDoor({ limits: { autoscaling: { freshMs: 5, streamsMax: 2 } } });
  keda = connect(door.door.address);
});
afterAll(async () => {
  keda.close();
  await door.close();
});

type Stream = AsyncIterable<{ readonly result: boolean }> & { readonly cancel: () => void };

function connect(address: string) {
  const { externalscaler } = loadPackageDefinition(declared) as unknown as {
    readonly externalscaler: { readonly ExternalScaler: new (at: string, by: unknown) => Record<string, unknown> };
  };
  const client = new externalscaler.ExternalScaler(address, credentials.createInsecure());
  type Hear = (error: ServiceError | null, reply: unknown) => void;
  return {
    ask: <R>(method: string, request: unknown): Promise<R> =>
      new Promise((resolve, reject) => {
        (client[method] as (request: unknown, hear: Hear) => void).call(client, request, (error, reply) => {
          if (error === null) resolve(reply as R);
          else reject(error);
        });
      }),
    stream: (ref: Ref) => (client['StreamIsActive'] as (ref: Ref) => Stream).call(client, ref),
    close: () => (client['close'] as () => void).call(client),
  };
}

const ref = (metadata: Record<string, string> = {}): Ref => ({
  name: 'bots',
  namespace: 'line',
  // As KEDA sends it: with what it needed itself to find the way.
  scalerMetadata: { scalerAddress: 'stationgrid:50051', enableTLS: 'false', instance: 'line-1', ...metadata },
});

const value = async (metadata: Record<string, string> = {}, metricName = 'stationgrid-jobs'): Promise<number> => {
  const asked = { scaledObjectRef: ref(metadata), metricName };
  const { metricValues } = await keda.ask<{ metricValues: readonly Value[] }>('GetMetrics', asked);
  expect(metricValues.map((each) => each.metricName)).toEqual([metricName]);
  return metricValues[0]!.metricValueFloat;
};

/** Asks until it is so; what is asked for is never older than `freshMs`. */
const until = async (metadata: Record<string, string>, wanted: number): Promise<void> => {
  while ((await value(metadata)) !== wanted);
};

const active = async (metadata: Record<string, string> = {}): Promise<boolean> =>
  (await keda.ask<{ result: boolean }>('IsActive', ref(metadata))).result;

const work = (station: string) => ({
  task: { $case: 'work', value: { station, tests: [{ testId: 'T' }] } },
});

test('declares what KEDA has published: methods, names, numbers and types', () => {
  const fields = (name: string): unknown =>
    (declared[`externalscaler.${name}`] as { type: { field: readonly Record<string, unknown>[] } }).type.field.map(
      (field) => [field['name'], field['number'], field['type'], field['label']],
    );
  const [text, whole, fraction, flag, message] = [
    'TYPE_STRING',
    'TYPE_INT64',
    'TYPE_DOUBLE',
    'TYPE_BOOL',
    'TYPE_MESSAGE',
  ] as const;
  const [one, many] = ['LABEL_OPTIONAL', 'LABEL_REPEATED'] as const;
  expect(fields('ScaledObjectRef')).toEqual([
    ['name', 1, text, one],
    ['namespace', 2, text, one],
    ['scalerMetadata', 3, message, many],
  ]);
  expect(fields('IsActiveResponse')).toEqual([['result', 1, flag, one]]);
  expect(fields('GetMetricSpecResponse')).toEqual([['metricSpecs', 1, message, many]]);
  expect(fields('MetricSpec')).toEqual([
    ['metricName', 1, text, one],
    ['targetSize', 2, whole, one],
    ['targetSizeFloat', 3, fraction, one],
  ]);
  expect(fields('GetMetricsRequest')).toEqual([
    ['scaledObjectRef', 1, message, one],
    ['metricName', 2, text, one],
  ]);
  expect(fields('GetMetricsResponse')).toEqual([['metricValues', 1, message, many]]);
  expect(fields('MetricValue')).toEqual([
    ['metricName', 1, text, one],
    ['metricValue', 2, whole, one],
    ['metricValueFloat', 3, fraction, one],
  ]);
  const methods = Object.values(declared['externalscaler.ExternalScaler'] as Record<string, { path: string }>);
  expect(methods.map(({ path }) => path.replace('/externalscaler.ExternalScaler/', ''))).toEqual([
    'IsActive',
    'StreamIsActive',
    'GetMetricSpec',
    'GetMetrics',
  ]);
});

test('says what one bot is to have of each figure', async () => {
  const specs = async (metadata: Record<string, string>): Promise<readonly Spec[]> =>
    (await keda.ask<{ metricSpecs: readonly Spec[] }>('GetMetricSpec', ref(metadata))).metricSpecs;
  expect(await specs({})).toEqual([{ metricName: 'stationgrid-jobs', targetSize: '1', targetSizeFloat: 1 }]);
  expect(await specs({ jobsPerBot: '2.5', oldestAgeSeconds: '60' })).toEqual([
    { metricName: 'stationgrid-jobs', targetSize: '3', targetSizeFloat: 2.5 },
    { metricName: 'stationgrid-oldest-age-seconds', targetSize: '60', targetSizeFloat: 60 },
  ]);
});

test('wants bots as jobs come, keeps them while they work, and lets them go when nothing is left', async () => {
  const fat = { station: 'FAT' };
  expect(await value(fat)).toBe(0);
  expect(await active(fat)).toBe(false);
  await enqueue(door, work('FAT'));
  await enqueue(door, work('FAT'));
  await enqueue(door, work('OTHER'));
  await until(fat, 2);
  expect(await active(fat)).toBe(true);
  expect(await value({ ...fat, oldestAgeSeconds: '5' }, 'stationgrid-oldest-age-seconds')).toBeGreaterThan(0);
  await until({}, 3);
  // One takes a job: the queue is shorter, and as many bots are wanted as before.
  const bot = await create(door, { botId: 'fat-1' });
  expect(bot.leases).toHaveLength(1);
  await until(fat, 2);
  // The other job is taken back; the bot is kept for what it has in hand, and then is not wanted any more.
  const { rows } = await door.database.pool.query<{ id: string }>(
    `select id from open_jobs where instance = 'line-1' and state = 'QUEUED'`,
  );
  for (const { id } of rows) await cancelJob(door.farm, { instance: 'line-1', id: Number(id), reason: 'not needed' });
  await until(fat, 1);
  expect(await active(fat)).toBe(true);
  const done = await update(door, showing(bot, LeaseState.ACTIVE));
  await update(door, showing(done, LeaseState.COMPLETED));
  await until(fat, 0);
  expect(await active(fat)).toBe(false);
});

test('leaves to idle bots outside the fleet what they will take, and counts only what the fleet could do', async () => {
  const fleet = { bots: 'scaled-*' };
  await create(door, {
    botId: 'fixed-1',
    worker: { properties: [], devices: [{ handle: 'd', properties: [{ key: 'pool', value: 'smt' }] }] },
    // Ready to be asked, but it takes nothing while it is unhealthy: so what waits for it can be seen.
    status: BotStatus.UNHEALTHY,
  });
  const smt = { constraints: [{ key: 'pool', allowedValues: ['smt'] }] };
  const job = await enqueue(door, { ...work('SMT'), ...smt });
  await until({ ...fleet, station: 'SMT' }, 1);
  expect(await value({ ...fleet, station: 'SMT', properties: 'pool=smt, site=x' })).toBe(1);
  expect(await value({ ...fleet, station: 'SMT', properties: 'pool=fat' })).toBe(0);
  // Said of the row, not by the bot: it would be handed the job at once.
  await door.database.pool.query(`update bot_sessions set status = 1 where bot_id = 'fixed-1'`);
  await until({ ...fleet, station: 'SMT' }, 0);
  // It is of a fleet that is named so, or not named at all.
  expect(await value({ bots: 'fixed-?', station: 'SMT' })).toBe(1);
  expect(await value({ station: 'SMT' })).toBe(1);
  await cancelJob(door.farm, { instance: 'line-1', id: Number(job.id), reason: 'not needed' });
  await until({ station: 'SMT' }, 0);
});

test('tells of a change by itself, and of nothing else', async () => {
  const stream = keda.stream(ref({ station: 'PUSH' }));
  const told = stream[Symbol.asyncIterator]();
  expect((await told.next()).value).toEqual({ result: false });
  const one = await enqueue(door, work('PUSH'));
  expect((await told.next()).value).toEqual({ result: true });
  const two = await enqueue(door, work('PUSH'));
  for (const { id } of [one, two])
    await cancelJob(door.farm, { instance: 'line-1', id: Number(id), reason: 'not needed' });
  expect((await told.next()).value).toEqual({ result: false });
  stream.cancel();
  await expect(told.next()).rejects.toMatchObject({ code: status.CANCELLED });
});

test.each<[string, Record<string, string>, RegExp]>([
  ['a key that there is not', { sation: 'FAT' }, /there is no key "sation"/],
  ['an instance that there is not', { instance: 'line-9' }, /no instance "line-9"/],
  ['no number', { jobsPerBot: 'many' }, /`jobsPerBot` is "many", and must be a number above 0/],
  ['nothing a bot', { jobsPerBot: '0' }, /must be a number above 0/],
  ['properties that are none', { properties: 'pool' }, /`properties` is no list/],
  ['one thing twice', { instanceFromEnv: 'line-1' }, /`instance` is there twice/],
])('refuses %s, in words', async (_what, metadata, words) => {
  const refused = { code: status.INVALID_ARGUMENT, details: expect.stringMatching(words) as unknown };
  await expect(value(metadata)).rejects.toMatchObject(refused);
  await expect(active(metadata)).rejects.toMatchObject(refused);
});

test('refuses what says no instance, and a metric that there is not', async () => {
  const nothing = { name: 'bots', namespace: 'line', scalerMetadata: {} };
  await expect(keda.ask('GetMetricSpec', nothing)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  await expect(value({}, 'stationgrid-oldest-age-seconds')).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('oldestAgeSeconds') as unknown,
  });
});

test('takes an instance from a variable, as KEDA passes it on', async () => {
  const scalerMetadata = { scalerAddress: 'stationgrid:50051', instanceFromEnv: 'line-1', station: 'NONE' };
  const asked = {
    scaledObjectRef: { name: 'bots', namespace: 'line', scalerMetadata },
    metricName: 'stationgrid-jobs',
  };
  expect((await keda.ask<{ metricValues: readonly Value[] }>('GetMetrics', asked)).metricValues[0]?.metricValue).toBe(
    '0',
  );
});

test('counts once for all that ask at once', async () => {
  const quiet = await openDoor({ limits: { autoscaling: { freshMs: 60_000 } } });
  const asker = connect(quiet.door.address);
  let statements = 0;
  const { pool } = quiet.database;
  const query = pool.query.bind(pool) as (...given: unknown[]) => unknown;
  Object.assign(pool, {
    query: (...given: unknown[]) => {
      statements += String(given[0]).includes('othersRoom') ? 1 : 0;
      return query(...given);
    },
  });
  for (let round = 0; round < 3; round += 1)
    await Promise.all(Array.from({ length: 20 }, () => asker.ask('IsActive', ref({ station: `S-${round}` }))));
  expect(statements).toBe(1);
  asker.close();
  await quiet.close();
});

test('has room for so many streams, and ends them well when it stops', async () => {
  const closing = await openDoor({ limits: { autoscaling: { freshMs: 5, streamsMax: 2 } } });
  const asker = connect(closing.door.address);
  const streams = [asker.stream(ref()), asker.stream(ref())].map((each) => each[Symbol.asyncIterator]());
  for (const stream of streams) expect((await stream.next()).value).toEqual({ result: false });
  const third = asker.stream(ref())[Symbol.asyncIterator]();
  await expect(third.next()).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  const ends = Promise.all(streams.map((stream) => stream.next()));
  await closing.close();
  expect(await ends).toEqual([
    { value: undefined, done: true },
    { value: undefined, done: true },
  ]);
  asker.close();
});
