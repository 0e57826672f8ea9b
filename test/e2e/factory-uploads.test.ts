/** Uploads to a real farm that is killed at the worst of moments, and one that is larger than the farm may grow. */
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeResponse, encodeCall, type XmlRpcValue } from '../../src/wire/xml-rpc.ts';
import { eventField, FORM, formOf, message, MULTI } from '../fronts/factory/instalog-form.ts';
import { filesBelow } from '../fronts/factory/open-factory.ts';
import { eventually, freePort, openSite, PATIENCE_MS, type Site, type StandingFarm } from '../support/farm-site.ts';

let site: Site;
let farm: StandingFarm;
let port: number;
const folder = (): string => join(site.folder, 'factory');

beforeAll(async () => {
  site = await openSite({ lines: () => [] });
  port = await freePort();
  farm = await site.farm('farm', {
    factory: `127.0.0.1:${port}`,
    set: ['limits.uploads.freeBytesMin=1 MiB', 'limits.testlog.batchEventsMax=1'],
  });
  await farm.start();
}, PATIENCE_MS);
afterAll(() => site.close());

const TRUE = { kind: 'value', value: true };

const call = async (method: string, ...params: XmlRpcValue[]) => {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: encodeCall(method, params) });
  return decodeResponse(Buffer.from(await response.arrayBuffer()));
};

type Row = { readonly path: string; readonly adopted: boolean; readonly sha256: string };
const rowsOf = (name: string): Promise<readonly Row[]> =>
  site.database(async (db) => {
    const { rows } = await db.query<Row>(
      "select path, adopted, encode(sha256, 'hex') as sha256 from uploads where path like $1 order by number",
      [`%${name}%`],
    );
    return rows;
  });

/** Holds records back, does something, waits for a sign on the disk, and kills the farm in that moment. */
const killBetween = async (body: string, isNamed: () => boolean): Promise<void> => {
  await site.database(async (db) => {
    await db.query('begin; lock table uploads in share mode');
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.write(`POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await eventually(() => {
      if (!isNamed()) throw new Error('nothing is named yet');
    });
    await farm.kill();
    socket.destroy();
    await db.query('rollback');
  });
};

const below = (under: string) => filesBelow(folder(), under);

test('a report that was named and not recorded is found at the next start, and is there once when it comes again', async () => {
  const params = ['KILLED', Buffer.from('a report'), null, 'SMT'] as const;
  const named = () => [...below('umpire_data/report').keys()].filter((name) => name.includes('KILLED'));
  await killBetween(encodeCall('UploadReport', params), () => named().length > 0);
  expect(await rowsOf('KILLED')).toEqual([]);
  expect(below('incoming').size).toBe(1);
  await farm.start();
  expect(await rowsOf('KILLED')).toMatchObject([{ adopted: true }]);
  expect(below('incoming').size).toBe(0);
  expect(await call('UploadReport', ...params)).toEqual(TRUE);
  expect(named()).toHaveLength(1);
  expect(await rowsOf('KILLED')).toHaveLength(1);
});

test('an aux log that was shown and not recorded is found as well', async () => {
  expect(await call('SaveAuxLog', 'killed.log', Buffer.from('before'))).toEqual(TRUE);
  const shown = () => [...below('umpire_data/aux_log').values()].join();
  await killBetween(encodeCall('SaveAuxLog', ['killed.log', Buffer.from('after')]), () => shown() === 'after');
  await farm.start();
  expect((await rowsOf('killed.log')).map(({ adopted }) => adopted)).toEqual([false, true]);
  expect([...below('blobs').values()]).toEqual(expect.arrayContaining(['before', 'after']));
});

test('a piece of a log that was written and not recorded is there once when it comes again', async () => {
  expect(await call('UploadEvent', 'killed.events', Buffer.from('one;'))).toEqual(TRUE);
  const held = () => [...below('umpire_data/eventlog').values()].join();
  const two = ['killed.events', Buffer.from('two;')] as const;
  await killBetween(encodeCall('UploadEvent', two), () => held() === 'one;two;');
  await farm.start();
  expect(await call('UploadEvent', ...two)).toEqual(TRUE);
  expect(await call('UploadEvent', 'killed.events', Buffer.from('three;'))).toEqual(TRUE);
  expect(held()).toBe('one;two;three;');
  expect(await rowsOf('killed.events')).toHaveLength(3);
  expect(below('aside').size).toBe(0);
});

test('half a report is gone at the next start', async () => {
  const body = encodeCall('UploadReport', ['HALF', randomBytes(2_000_000)]);
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.write(
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 1_500_000)}`,
  );
  await eventually(() => {
    if (below('incoming').size === 0) throw new Error('nothing has come in yet');
  });
  await farm.kill();
  socket.destroy();
  expect(below('incoming').size).toBe(1);
  await farm.start();
  expect(below('incoming').size).toBe(0);
  expect(await rowsOf('HALF')).toEqual([]);
});

test('what was acknowledged is there after any of this, byte by byte', async () => {
  const texts = Array.from({ length: 30 }, (_, n) => `acknowledged ${n}`);
  const acknowledged: string[] = [];
  const all = Promise.allSettled(
    texts.map(async (text) => {
      expect(await call('UploadReport', 'ACK', Buffer.from(text), null, 'FAT')).toEqual(TRUE);
      acknowledged.push(text);
      if (acknowledged.length === 10) await farm.kill();
    }),
  );
  await all;
  await farm.start();
  expect(acknowledged.length).toBeGreaterThanOrEqual(10);
  const files = below('.');
  const rows = await rowsOf('-ACK-');
  for (const text of acknowledged) {
    const sha256 = createHash('sha256').update(text).digest('hex');
    const row = rows.find((each) => each.sha256 === sha256);
    expect(files.get(row?.path ?? ''), text).toBe(text);
  }
  // Nothing stands under a name of which no record knows.
  const names = [...files.keys()].filter((name) => name.startsWith('umpire_data/report') && name.includes('-ACK-'));
  expect(names.toSorted()).toEqual(rows.map(({ path }) => path).toSorted());
});

const MIB = 1024 * 1024;
const REPORT_MIB = 256;
// Measured: 86, for 1 GiB as well. A garbage collector that is late has the rest.
const GROWTH_MIB = 128;

test(
  `a report of ${REPORT_MIB} MiB is kept in less than ${GROWTH_MIB} MiB of memory`,
  { timeout: 300_000 },
  async () => {
    const residentMib = async (): Promise<number> => {
      const page = await (await fetch(`${farm.httpUrl}/metrics`)).text();
      return Number(/^stationgrid_process_resident_memory_bytes (\S+)$/m.exec(page)?.[1]) / MIB;
    };
    const before = await residentMib();
    let most = before;
    const hash = createHash('sha256');
    const [head = '', tail = ''] = encodeCall('UploadReport', ['BIG', Buffer.from('|')]).split('fA==');
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false });
    const answered = new Promise<Buffer>((resolve, reject) => {
      request.on('error', reject);
      request.on('response', (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(Buffer.concat(parts)));
      });
    });
    request.write(head);
    const piece = randomBytes(3 * MIB);
    for (let sent = 0; sent < REPORT_MIB; sent += 3) {
      hash.update(piece);
      if (!request.write(piece.toString('base64'))) await new Promise((resolve) => request.once('drain', resolve));
      most = Math.max(most, await residentMib());
    }
    request.end(tail);
    expect(decodeResponse(await answered)).toEqual(TRUE);
    expect((await rowsOf('-BIG-')).map(({ sha256 }) => sha256)).toEqual([hash.digest('hex')]);
    const growth = Math.max(most, await residentMib()) - before;
    process.stdout.write(
      `a report of ${REPORT_MIB} MiB: ${growth.toFixed(0)} MiB more memory than ${before.toFixed(0)} MiB at rest\n`,
    );
    expect(growth).toBeLessThan(GROWTH_MIB);
  },
);

test('events that were committed before their answer are there once when the form comes again', async () => {
  const uuids = ['first', 'second'];
  const form = formOf(uuids.map((uuid) => eventField(message(uuid))));
  const kept = (): Promise<readonly string[]> =>
    site.database(async (db) => {
      const { rows } = await db.query<{ uuid: string }>('select uuid from testlog_events order by uuid');
      return rows.map(({ uuid }) => uuid);
    });
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.write(
    `POST /instalog HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${FORM}\r\nMulti-Event: True\r\n` +
      `Content-Length: ${form.length}\r\n\r\n`,
  );
  // Each event has a commit of its own here. The last bytes are never sent, so that nothing is answered.
  socket.write(form.subarray(0, form.lastIndexOf('"second"')));
  await eventually(async () => {
    if ((await kept()).length === 0) throw new Error('nothing is committed yet');
  });
  await farm.kill();
  socket.destroy();
  await farm.start();
  const again = await fetch(`http://127.0.0.1:${port}/instalog`, {
    method: 'POST',
    headers: { 'content-type': FORM, ...MULTI },
    body: new Uint8Array(form),
  });
  expect(again.status).toBe(200);
  expect(await kept()).toEqual(uuids);
});
