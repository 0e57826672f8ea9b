/** Resends of calls too large to be kept: told by what they say, since hashing them twice is what takes the time. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
afterEach(async () => {
  for (const factory of opened.splice(0)) await factory.close();
});
const open = async (): Promise<TestFactory> => {
  const factory = await openFactory();
  opened.push(factory);
  return factory;
};

const repeats = ({ counted }: TestFactory): readonly string[] => counted.filter((each) => each.endsWith(' repeat'));

test('the same one, again on a new connection, has one effect', async () => {
  const factory = await open();
  const holder = new pg.Client(factory.database.ownerUrl);
  await holder.connect();
  await holder.query('begin; lock table uploads in share mode');
  const isWaitedFor = async (): Promise<boolean> =>
    (await holder.query("select from pg_locks where not granted and relation = 'uploads'::regclass")).rowCount !== 0;
  // An append: done twice, it would be there twice.
  const piece = randomBytes(1_500_000);
  const body = encodeCall('UploadEvent', ['log', piece]);
  const first = connect({ port: factory.door.port, host: '127.0.0.1' });
  first.on('error', () => undefined);
  first.write(`POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await expect.poll(isWaitedFor).toBe(true);
  first.destroy();
  const again = factory.post(body);
  await holder.query('commit');
  await holder.end();
  expect((await again).status).toBe(200);
  expect([...factory.files('umpire_data/eventlog').values()].join('')).toBe(piece.toString('latin1'));
  expect(repeats(factory)).toEqual(['UploadEvent repeat']);
});

test('others of the same size are calls of their own', async () => {
  const factory = await open();
  const piece = randomBytes(1_500_000);
  const other = Buffer.from(piece);
  other.writeUInt8(other.readUInt8(700_000) ^ 1, 700_000);
  const calls = [
    encodeCall('UploadReport', ['SN1', piece, null, 'SMT']),
    encodeCall('UploadReport', ['SN1', other, null, 'SMT']),
    encodeCall('UploadReport', ['SN2', piece, null, 'SMT']),
  ];
  await Promise.all(calls.map((body) => factory.post(body)));
  expect(repeats(factory)).toEqual([]);
  expect(factory.files('umpire_data/report').size).toBe(3);
  expect(factory.files('blobs').size).toBe(2);
});
