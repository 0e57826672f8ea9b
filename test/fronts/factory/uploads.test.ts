/** What the original Factory Server loses under load, and what leads out of its folders there: here nothing does. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  appendFileSync,
  readFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeCall, type XmlRpcValue } from '../../../src/wire/xml-rpc.ts';
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

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const sha256 = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
const TRUE = { kind: 'value', value: true };
const at = (text: string) => ({ now: () => new Date(text), monotonicMs: () => performance.now(), sleep: sleepAside });
const sleepAside = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

describe('under load', () => {
  test('60 different reports of one unit in one second are 60 files', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41.900Z') });
    const texts = Array.from({ length: 60 }, (_, n) => `report ${n}`);
    const said = await Promise.all(texts.map((text) => factory.call('UploadReport', 'SN1', bytes(text), null, 'SMT')));
    expect(said).toEqual(texts.map(() => TRUE));
    const files = factory.files('umpire_data/report/20261122');
    expect([...files.values()].toSorted()).toEqual(texts.toSorted());
    for (const name of files.keys()) expect(name).toMatch(/^SMT-SN1-20261122T051541Z.*\.rpt\.xz$/);
    const rows = await factory.rows();
    expect(new Set(rows.map((row) => `${row.path} ${row.sha256}`))).toEqual(
      new Set([...files].map(([name, text]) => `umpire_data/report/20261122/${name} ${sha256(text)}`)),
    );
    expect(factory.files('incoming').size).toBe(0);
  });

  test('the same report many times at once is one', async () => {
    const factory = await open();
    const said = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        // Different bodies, so that they are no resends of each other.
        factory.post(encodeCall('UploadReport', ['SN1', bytes('same'), null, 'SMT']) + ' '.repeat(n)),
      ),
    );
    expect(said.map(({ status }) => status)).toEqual(said.map(() => 200));
    expect([...factory.files('umpire_data/report').values()]).toEqual(['same']);
    expect(await factory.rows()).toHaveLength(1);
    expect(await factory.call('UploadReport', 'SN2', bytes('same'), null, 'SMT')).toEqual(TRUE);
    expect([...factory.files('umpire_data/report').values()]).toEqual(['same', 'same']);
    expect(factory.files('blobs').size).toBe(1);
  });

  test('60 pieces of one event log, and 60 rows of one file, are all kept, whole and on record in their order', async () => {
    const factory = await open();
    const texts = Array.from({ length: 60 }, (_, n) => `event: ${n}\n${'x'.repeat(n * 50)}\n---\n`);
    const said = await Promise.all(
      texts.flatMap((text, n) => [
        factory.call('UploadEvent', 'log', bytes(text)),
        factory.call('UploadCSVEntry', 'table', [n, 'é,"', null]),
      ]),
    );
    expect(said).toEqual(said.map(() => TRUE));
    const [log] = [...factory.files('umpire_data/eventlog').values()];
    expect(log!.split(/(?<=---\n)/).toSorted()).toEqual(texts.toSorted());
    const [csv] = [...factory.files('umpire_data/csv').values()];
    expect(csv!.trimEnd().split('\n')).toHaveLength(60);
    const rows = (await factory.rows()).filter(({ kind }) => kind === 'EVENT_LOG');
    expect(rows.map((row) => sha256(log!.slice(row.starts_at!, row.starts_at! + row.bytes)))).toEqual(
      rows.map((row) => row.sha256),
    );
  });

  test('a piece of an event log that is too large for memory is kept, too', async () => {
    const factory = await open();
    const text = 'event: long\n'.repeat(100_000);
    expect(await factory.call('UploadEvent', 'log', bytes(text))).toEqual(TRUE);
    expect([...factory.files('umpire_data/eventlog').values()]).toEqual([text]);
  });

  test('two replicas that share a folder append to one file, and lose nothing', async () => {
    const one = await open();
    const other = await open({ folder: one.folder, database: one.database });
    const texts = Array.from({ length: 40 }, (_, n) => `event ${n};`);
    await Promise.all(texts.map((text, n) => (n % 2 ? one : other).call('UploadEvent', 'log', bytes(text))));
    const [log] = [...one.files('umpire_data/eventlog').values()];
    expect(log!.split(/(?<=;)/).toSorted()).toEqual(texts.toSorted());
  });

  test('an aux log shows the latest, and everything before is kept', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41Z') });
    const texts = Array.from({ length: 20 }, (_, n) => `log ${n}`);
    await Promise.all(texts.map((text) => factory.call('SaveAuxLog', 'a/b.zip', bytes(text))));
    expect(await factory.call('SaveAuxLog', 'a/b.zip', bytes('last'))).toEqual(TRUE);
    expect([...factory.files('umpire_data/aux_log')]).toEqual([['20261122/a/b.zip', 'last']]);
    expect([...factory.files('blobs').values()].toSorted()).toEqual([...texts, 'last'].toSorted());
    expect((await factory.rows()).at(-1)).toMatchObject({
      path: 'umpire_data/aux_log/20261122/a/b.zip',
      sha256: sha256('last'),
    });
  });
});

describe('a name that leads elsewhere', () => {
  const bad = ['../../x', '..', '/etc/x', 'a/../../x', './a', 'a//b', 'a/', '', 'a\\..\\b', 'a\tb', 'a'.repeat(300)];
  const inFault = { kind: 'fault', code: -32500, text: expect.stringMatching(/^ValueError: Disallow /) };

  test.for(bad)('is a fault, and makes nothing: %j', async (name) => {
    const factory = await open();
    const before = listing(factory.folder);
    const calls: [string, ...XmlRpcValue[]][] = [
      ['UploadEvent', name, bytes('x')],
      ['SaveAuxLog', name, bytes('x')],
    ];
    // With its ending, an empty one is a name.
    if (name !== '' && name !== 'a/' && name !== '..') calls.push(['UploadCSVEntry', name, ['x']]);
    for (const call of calls) expect(await factory.call(...call)).toEqual(inFault);
    expect(listing(factory.folder)).toEqual(before);
    expect(await factory.rows()).toEqual([]);
  });

  test.for(['../../x', 'a/b', 'a\\b', '..'])('is a fault as part of a report: %j', async (part) => {
    const factory = await open();
    for (const [serial, name, stage] of [
      [part, null, null],
      ['SN1', part, null],
      ['SN1', null, part],
    ] as const)
      expect(await factory.call('UploadReport', serial, bytes('x'), name, stage)).toMatchObject({ kind: 'fault' });
    expect(factory.files('umpire_data').size).toBe(0);
  });

  test('by a link that somebody has put there is a fault too', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41Z') });
    await factory.call('SaveAuxLog', 'a', bytes('x'));
    const elsewhere = join(factory.folder, 'parameters');
    symlinkSync('/tmp', elsewhere);
    symlinkSync(elsewhere, join(factory.folder, 'umpire_data/aux_log/20261122/link'));
    expect(await factory.call('SaveAuxLog', 'link/stray', bytes('x'))).toMatchObject({ kind: 'fault' });
    expect(existsSync('/tmp/stray')).toBe(false);
  });

  test('that another upload needs as a folder is a fault in words', async () => {
    const factory = await open();
    await factory.call('UploadEvent', 'a', bytes('x'));
    await factory.call('SaveAuxLog', 'a/b', bytes('x'));
    for (const said of [
      await factory.call('UploadEvent', 'a/b', bytes('x')),
      await factory.call('SaveAuxLog', 'a', bytes('x')),
    ])
      expect(said).toMatchObject({ kind: 'fault', text: expect.stringContaining('Another upload has this name') });
  });

  test('keeps what only looks strange', async () => {
    const factory = await open();
    for (const name of ['..a', 'a..', 'a b', 'é.log', '-rf', '.hidden', 'a:b', '%2e%2e'])
      expect(await factory.call('UploadEvent', name, bytes(name))).toEqual(TRUE);
    expect(factory.files('umpire_data/eventlog').size).toBe(8);
  });
});

describe('a file that is not as the record says', () => {
  const eventLog = (factory: TestFactory) => join(factory.folder, 'umpire_data/eventlog/20261122/log');

  test('gets rid of what a crash has cut off when the piece comes again', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41Z') });
    await factory.call('UploadEvent', 'log', bytes('one;'));
    appendFileSync(eventLog(factory), 'two');
    expect(await factory.call('UploadEvent', 'log', bytes('two and a half;'))).toEqual(TRUE);
    expect(readFileSync(eventLog(factory), 'utf8')).toBe('one;two and a half;');
    expect(readdirSync(join(factory.folder, 'aside'))).toEqual([]);
  });

  test('has the rest put aside, which is told', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41Z') });
    await factory.call('UploadEvent', 'log', bytes('one;'));
    appendFileSync(eventLog(factory), 'stranger;');
    expect(await factory.call('UploadEvent', 'log', bytes('two;'))).toEqual(TRUE);
    expect(readFileSync(eventLog(factory), 'utf8')).toBe('one;two;');
    expect([...factory.files('aside').values()]).toEqual(['stranger;']);
    expect(factory.logged.map(({ sentence }) => sentence)).toEqual([
      'a file of uploads was longer than its record: the rest was put aside',
    ]);
  });

  test('is gone on with where somebody has cut or removed it', async () => {
    const factory = await open({ clock: at('2026-11-22T05:15:41Z') });
    await factory.call('UploadEvent', 'log', bytes('one;'));
    truncateSync(eventLog(factory), 2);
    expect(await factory.call('UploadEvent', 'log', bytes('two;'))).toEqual(TRUE);
    expect(readFileSync(eventLog(factory), 'utf8')).toBe('ontwo;');
    rmSync(eventLog(factory));
    expect(await factory.call('UploadEvent', 'log', bytes('three;'))).toEqual(TRUE);
    expect(await factory.call('UploadEvent', 'log', bytes('four;'))).toEqual(TRUE);
    expect(readFileSync(eventLog(factory), 'utf8')).toBe('three;four;');
  });
});

describe('what comes again', () => {
  test('from the same peer, as its last piece, has no second effect', async () => {
    const factory = await open();
    for (let times = 0; times < 3; times += 1) {
      expect(await factory.call('UploadEvent', 'log', bytes('one;'))).toEqual(TRUE);
      expect(await factory.call('UploadCSVEntry', 'table', ['row'])).toEqual(TRUE);
    }
    expect(await factory.call('UploadEvent', 'log', bytes('two;'))).toEqual(TRUE);
    expect(await factory.call('UploadEvent', 'log', bytes('one;'))).toEqual(TRUE);
    expect([...factory.files('umpire_data/eventlog').values()]).toEqual(['one;two;one;']);
    expect([...factory.files('umpire_data/csv').values()]).toEqual(['row\n']);
    expect(factory.counted.filter((each) => each.startsWith('CSV'))).toEqual([
      'CSV kept 4',
      'CSV repeated 4',
      'CSV repeated 4',
    ]);
  });
});

describe('what may pass by itself is no fault', () => {
  test('too little room', async () => {
    const factory = await open({ limits: { uploads: { freeBytesMin: 1e15 } } });
    const response = await factory.post(encodeCall('UploadReport', ['SN1', new Uint8Array(200_000)]));
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('10');
    expect(await response.text()).toMatch(/^The farm's disk has no room for uploads\./);
    expect(factory.files('umpire_data').size).toBe(0);
    expect(factory.files('incoming').size).toBe(0);
    // Small ones, too.
    expect((await factory.post(encodeCall('UploadEvent', ['log', bytes('x')]))).status).toBe(503);
  });

  test('a unit that uploads without end', async () => {
    const factory = await open({ limits: { uploads: { perSerialBytesMax: 100 } } });
    expect(await factory.call('UploadReport', 'SN1', new Uint8Array(60))).toEqual(TRUE);
    const response = await factory.post(encodeCall('UploadReport', ['SN1', new Uint8Array(61)]));
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringMatching(/^Unit "SN1" has uploaded 60 bytes within 24 hours, and 61 more are beyond/),
    ]);
    expect(await factory.call('UploadReport', 'SN2', new Uint8Array(61))).toEqual(TRUE);
  });

  test('a record that cannot be written; the upload is kept once when it can', async () => {
    const factory = await open();
    const body = encodeCall('UploadReport', ['SN1', bytes('report'), null, 'SMT']);
    const holder = new pg.Client(factory.database.ownerUrl);
    await holder.connect();
    await holder.query('begin; lock table uploads in access exclusive mode');
    expect((await factory.post(body)).status).toBe(503);
    await holder.query('commit');
    await holder.end();
    expect((await factory.post(body)).status).toBe(200);
    expect([...factory.files('umpire_data/report').values()]).toEqual(['report']);
  });
});

test('what is too much for one call is refused for good', async () => {
  const factory = await open({
    limits: { uploads: { fileBytesMax: 1000, appendBytesMax: 100 }, factory: { binariesMax: 2 } },
  });
  expect(await factory.call('UploadEvent', 'log', new Uint8Array(101))).toMatchObject({ kind: 'fault', code: -32500 });
  expect(await factory.call('UploadReport', 'SN1', new Uint8Array(1001))).toMatchObject({ kind: 'fault', code: 8002 });
  expect(await factory.call('Ping', [bytes(''), bytes(''), bytes('')])).toMatchObject({ kind: 'fault', code: 8002 });
  expect(await factory.call('UploadReport', 'SN1', new Uint8Array(1000))).toEqual(TRUE);
});

/** Names and sizes below the folder and beside it. */
const listing = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted();
