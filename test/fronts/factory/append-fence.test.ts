/** A process whose session of the database ends while it appends: what others append meanwhile stays. */
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { type AppendedFile, appendUploads } from '../../../src/farm/append-uploads.ts';
import { keepUpload } from '../../../src/farm/keep-upload.ts';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import { holdFile } from '../../uploads/held-file.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
afterEach(async () => {
  for (const factory of opened.splice(0).reverse()) await factory.close();
});

const PATH = 'umpire_data/eventlog/20261122/log';
const noName = { serial: null, stage: null, reportName: null };
const TRUE = { kind: 'value', value: true };
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const clock = { now: () => new Date('2026-11-22T05:15:41Z'), monotonicMs: () => performance.now(), sleep };
  const factory = await openFactory({ clock, ...options });
  opened.push(factory);
  return factory;
};
const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

const openTwo = async (): Promise<readonly [TestFactory, TestFactory]> => {
  const one = await open();
  return [one, await open({ folder: one.folder, database: one.database })];
};

const pieceOf = (text: string) => ({
  id: randomUUID(),
  bytes: text.length,
  sha256: createHash('sha256').update(text).digest('hex'),
  peer: '10.0.0.1',
  read: async function* () {
    yield await Promise.resolve(Buffer.from(text));
  },
});

const fileOf = ({ depot }: TestFactory): AppendedFile => ({
  depot: depot.id,
  instance: 'line-1',
  kind: 'EVENT_LOG',
  path: PATH,
});

/** Who holds the lock of the record; of this test's database there is one such lock. */
const holders = async ({ database }: TestFactory): Promise<readonly number[]> => {
  const { rows } = await database.pool.query<{ pid: number }>(
    `select pid from pg_locks where locktype = 'advisory' and granted
       and database = (select oid from pg_database where datname = current_database())`,
  );
  return rows.map(({ pid }) => pid);
};

const endSession = async (factory: TestFactory): Promise<number> => {
  const [pid] = await holders(factory);
  await factory.database.pool.query('select pg_terminate_backend($1)', [pid]);
  await vi.waitFor(async () => expect(await holders(factory)).toEqual([]), { timeout: 60_000 });
  return pid!;
};

const log = (factory: TestFactory): string | undefined => factory.files('umpire_data/eventlog/20261122').get('log');

test('before it has the lock of the file: it writes nothing', async () => {
  const [one, other] = await openTwo();
  const appending = appendUploads(one.farm, fileOf(one), [pieceOf('first;')], async (work) => {
    await endSession(one);
    expect(await other.call('UploadEvent', 'log', bytes('second;'))).toEqual(TRUE);
    return one.depot.alone(PATH, work);
  });
  await expect(appending).rejects.toThrow();
  expect(log(one)).toBe('second;');
  expect(await one.call('UploadEvent', 'log', bytes('first;'))).toEqual(TRUE);
  expect(log(one)).toBe('second;first;');
  expect(one.files('aside').size).toBe(0);
});

test('while it writes: the next waits, and keeps what it finds aside, which was acknowledged to nobody', async () => {
  const [one, other] = await openTwo();
  expect(await one.call('UploadEvent', 'log', bytes('zero;'))).toEqual(TRUE);
  let second: Promise<unknown> = Promise.resolve(null);
  const appending = appendUploads(one.farm, fileOf(one), [pieceOf('first;')], (work) =>
    one.depot.alone(PATH, (append) =>
      work(async (from, kept) => {
        await endSession(one);
        second = other.call('UploadEvent', 'log', bytes('second;'));
        await vi.waitFor(async () => expect(await holders(one)).toHaveLength(1), { timeout: 60_000 });
        const startsAt = await append(from, kept);
        expect(log(one)).toBe('zero;first;');
        return startsAt;
      }),
    ),
  );
  await expect(appending).rejects.toThrow();
  expect(await second).toEqual(TRUE);
  expect(log(one)).toBe('zero;second;');
  expect([...one.files('aside').values()]).toEqual(['first;']);
});

test('a process that holds a file and lives makes the others come again; once it is dead it is in nobody’s way', async () => {
  const factory = await open({ limits: { uploads: { lockWaitMs: 1 } } });
  const holder = await holdFile(join(factory.folder, 'locks'), PATH);
  const said = await factory.post(encodeCall('UploadEvent', ['log', bytes('one;')]));
  expect([said.status, said.headers.get('retry-after'), await said.text()]).toEqual([
    503,
    '1',
    expect.stringMatching(/^Another process of the farm is writing into this file/),
  ]);
  expect(log(factory)).toBeUndefined();
  await holder.kill();
  expect(await factory.call('UploadEvent', 'log', bytes('one;'))).toEqual(TRUE);
  expect(log(factory)).toBe('one;');
  expect(factory.files('locks').size).toBe(0);
});

test('before it shows the latest of an aux log: it shows nothing', async () => {
  const [one, other] = await openTwo();
  const path = 'umpire_data/aux_log/20261122/aux';
  const text = 'first';
  const receiving = one.depot.receive();
  receiving.write(bytes(text));
  const received = await receiving.end();
  await received.settle();
  const said = { id: randomUUID(), instance: 'line-1', kind: 'AUX_LOG', ...noName, peer: '10.0.0.1' } as const;
  const noted = { ...said, bytes: text.length, sha256: received.sha256 };
  const placing = one.depot.placing(received, path, noted);
  const keeping = keepUpload(one.farm, { ...noted, depot: one.depot.id, pathOf: path }, async (isOurTurn) => {
    await endSession(one);
    expect(await other.call('SaveAuxLog', 'aux', bytes('second'))).toEqual(TRUE);
    return placing.place(isOurTurn);
  });
  await expect(keeping).rejects.toThrow();
  await placing.over(false);
  expect([...one.files('umpire_data/aux_log').values()]).toEqual(['second']);
});
