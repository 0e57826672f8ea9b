/** What DUTs uploaded, once it is past its time, and once it is too much. */
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { measureUploads, type TendedFolder, tendUploads } from '../../../src/farm/tend-uploads.ts';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const factory = await openFactory(options);
  opened.push(factory);
  return factory;
};
afterEach(async () => {
  for (const factory of opened.splice(0)) await factory.close();
});

const TRUE = { kind: 'value', value: true };
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const folderOf = ({ depot }: TestFactory): TendedFolder => ({
  ...depot,
  alone: (path, work) => depot.alone(path, () => work()),
});
const tend = (factory: TestFactory) => tendUploads(factory.farm, folderOf(factory), new AbortController().signal);
/** What is on record now came two days ago. */
const age = ({ database }: TestFactory) =>
  database.pool.query(`update uploads set received_at = received_at - interval '2 days'`);

const uploadAll = async (factory: TestFactory, text: string): Promise<void> => {
  expect(await factory.call('UploadReport', `SN-${text}`, bytes(text), null, 'SMT')).toEqual(TRUE);
  expect(await factory.call('SaveAuxLog', 'aux', bytes(`aux ${text}`))).toEqual(TRUE);
  expect(await factory.call('UploadEvent', 'log', bytes(`${text};`))).toEqual(TRUE);
  expect(await factory.call('UploadCSVEntry', 'table', [text])).toEqual(TRUE);
};

test('it is kept for ever where nothing else is configured', async () => {
  const factory = await open();
  await uploadAll(factory, 'one');
  await age(factory);
  expect(await tend(factory)).toEqual({ names: 0, logs: 0 });
  expect(factory.files('umpire_data').size).toBe(4);
});

test('it is forgotten with its record and its content; what came since stays, and what it is appended to whole', async () => {
  const factory = await open({ limits: { uploads: { keepDays: 1 } } });
  await uploadAll(factory, 'one');
  expect(await factory.call('UploadEvent', 'old log', bytes('old;'))).toEqual(TRUE);
  await age(factory);
  await uploadAll(factory, 'two');
  expect(await tend(factory)).toEqual({ names: 2, logs: 0 });
  expect([...factory.files('umpire_data/report').values()]).toEqual(['two']);
  expect([...factory.files('umpire_data/aux_log').values()]).toEqual(['aux two']);
  expect([...factory.files('umpire_data/eventlog').values()]).toEqual(['one;two;']);
  expect([...factory.files('umpire_data/csv').values()]).toEqual(['one\ntwo\n']);
  expect([...factory.files('blobs').values()].toSorted()).toEqual(['aux two', 'two']);
  expect((await factory.rows()).map(({ kind }) => kind).toSorted()).toEqual([
    ...['AUX_LOG', 'CSV', 'CSV', 'EVENT_LOG', 'EVENT_LOG', 'REPORT'],
  ]);
  expect(await tend(factory)).toEqual({ names: 0, logs: 0 });
  // What was forgotten is new when it comes again.
  await uploadAll(factory, 'one');
  expect([...factory.files('umpire_data/eventlog').values()]).toEqual(['one;two;one;']);
  expect([...factory.files('blobs').values()].toSorted()).toEqual(['aux one', 'aux two', 'one', 'two']);
});

test('a content that another unit has uploaded since stays', async () => {
  const factory = await open({ limits: { uploads: { keepDays: 1 } } });
  expect(await factory.call('UploadReport', 'SN1', bytes('same'), null, 'SMT')).toEqual(TRUE);
  await age(factory);
  expect(await factory.call('UploadReport', 'SN2', bytes('same'), null, 'SMT')).toEqual(TRUE);
  expect(await tend(factory)).toEqual({ names: 1, logs: 0 });
  expect([...factory.files('umpire_data/report').values()]).toEqual(['same']);
  expect(factory.files('blobs').size).toBe(1);
});

test('uploads that come while the same is forgotten are kept', async () => {
  const factory = await open({ limits: { uploads: { keepDays: 1 } } });
  for (let round = 0; round < 5; round += 1) {
    const calls = Array.from({ length: 6 }, (_, n) =>
      factory.call('UploadReport', `SN${round}-${n}`, bytes('same'), null, 'SMT'),
    );
    const [, , ...said] = await Promise.all([tend(factory), tend(factory), ...calls]);
    expect(said).toEqual(said.map(() => TRUE));
    expect([...factory.files('umpire_data/report').values()]).toEqual(Array.from({ length: 6 }, () => 'same'));
    await age(factory);
  }
  await tend(factory);
  expect([factory.files('umpire_data/report').size, factory.files('blobs').size]).toEqual([0, 0]);
  expect(factory.files('incoming').size).toBe(0);
});

test('what does not go keeps no other from going', async () => {
  const factory = await open({ limits: { uploads: { keepDays: 1 } } });
  for (const serial of ['SN1', 'SN2'])
    expect(await factory.call('UploadReport', serial, bytes(serial), null, 'SMT')).toEqual(TRUE);
  const [first = ''] = [...factory.files('umpire_data/report').keys()].toSorted();
  const path = join(factory.folder, 'umpire_data/report', first);
  rmSync(path);
  mkdirSync(join(path, 'not-empty'), { recursive: true });
  await age(factory);
  expect(await tend(factory)).toEqual({ names: 1, logs: 0 });
  rmSync(path, { recursive: true });
  expect(await tend(factory)).toEqual({ names: 1, logs: 0 });
});

test('logs that rsync brought long ago go, by when they came', async () => {
  const factory = await open({
    limits: { uploads: { keepDays: 1 } },
    clock: { now: () => new Date(Date.now() + 2 * 86_400_000), monotonicMs: () => 0, sleep: () => Promise.resolve() },
  });
  mkdirSync(join(factory.folder, 'log/dut_upload/device-7'), { recursive: true });
  writeFileSync(join(factory.folder, 'log/dut_upload/device-7/messages'), 'x');
  expect(await tend(factory)).toEqual({ names: 0, logs: 1 });
  const other = await open({ limits: { uploads: { keepDays: 1 } } });
  mkdirSync(join(other.folder, 'log/dut_upload/device-7'), { recursive: true });
  const recent = join(other.folder, 'log/dut_upload/device-7/messages');
  writeFileSync(recent, 'x');
  utimesSync(recent, 0, 0);
  expect(await tend(other)).toEqual({ names: 0, logs: 0 });
});

test('a folder that holds all that it may takes no more, by any way, until it is less', async () => {
  const factory = await open({ limits: { uploads: { folderBytesMax: 20, keepDays: 1 } } });
  expect(await factory.call('UploadReport', 'SN1', bytes('x'.repeat(15)), null, 'SMT')).toEqual(TRUE);
  expect(await factory.call('UploadEvent', 'log', bytes('12345'))).toEqual(TRUE);
  for (const call of [
    encodeCall('UploadReport', ['SN2', bytes('y'), null, 'SMT']),
    encodeCall('UploadEvent', ['log', bytes('y')]),
    encodeCall('UploadCSVEntry', ['table', ['y']]),
    encodeCall('SaveAuxLog', ['aux', bytes('y')]),
  ]) {
    const said = await factory.post(call);
    expect([said.status, said.headers.get('retry-after')]).toEqual([503, '10']);
    expect(await said.text()).toMatch(/^The farm's folder of uploads holds all that it may\./);
  }
  const isClosed = () => existsSync(join(factory.folder, 'rsyncd.closed'));
  await measureUploads(factory.farm, folderOf(factory));
  expect(isClosed()).toBe(true);
  await age(factory);
  await tend(factory);
  expect(isClosed()).toBe(false);
  expect((await factory.post(encodeCall('UploadEvent', ['log', bytes('y')]))).status).toBe(200);
  // Logs count, too.
  mkdirSync(join(factory.folder, 'log/dut_upload/device-7'), { recursive: true });
  writeFileSync(join(factory.folder, 'log/dut_upload/device-7/messages'), 'z'.repeat(30));
  await measureUploads(factory.farm, folderOf(factory));
  expect((await factory.post(encodeCall('UploadEvent', ['log', bytes('z')]))).status).toBe(503);
});
