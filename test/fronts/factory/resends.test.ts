/** Calls that a client sends again by itself: one effect, and the first answer. */
import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const factory = await openFactory(options);
  cleanups.push(factory.close);
  return factory;
};

/** Holds back every record of an upload until it is let go. */
const holdRecords = async ({ database }: TestFactory) => {
  const holder = new pg.Client(database.ownerUrl);
  await holder.connect();
  await holder.query('begin; lock table uploads in share mode');
  return {
    isWaitedFor: async () => {
      const { rows } = await holder.query<{ waiting: number }>(
        "select count(*)::int as waiting from pg_locks where not granted and relation = 'uploads'::regclass",
      );
      return rows[0]!.waiting > 0;
    },
    release: async () => {
      await holder.query('commit');
      await holder.end();
    },
  };
};

const headed = (body: string): string =>
  `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const send = (factory: TestFactory, body: string): Socket => {
  const socket = connect({ port: factory.door.port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.write(headed(body));
  return socket;
};

const EVENT = encodeCall('UploadEvent', ['log', Buffer.from('once;')]);
const OTHER = encodeCall('UploadEvent', ['log', Buffer.from('other;')]);
const kept = (factory: TestFactory) => [...factory.files('umpire_data/eventlog').values()].join('');
const ofEvents = (factory: TestFactory) => factory.counted.filter((each) => each.startsWith('UploadEvent'));

test('one that comes while the first runs waits for it, though the connection of the first is gone', async () => {
  const factory = await open();
  const held = await holdRecords(factory);
  const first = send(factory, EVENT);
  await expect.poll(held.isWaitedFor).toBe(true);
  first.destroy();
  const resend = factory.post(EVENT);
  await held.release();
  expect((await resend).status).toBe(200);
  expect(kept(factory)).toBe('once;');
  // Not by the meaning of what it uploads: it never got so far as to be compared.
  expect(factory.counted.filter((each) => each.startsWith('EVENT_LOG'))).toEqual(['EVENT_LOG kept 5']);
  expect(ofEvents(factory).filter((each) => each.endsWith('repeat'))).toHaveLength(1);
});

test('one that comes after the answer could not be delivered gets it; one that comes much later is a new call', async () => {
  const clock = createManualClock(new Date('2026-11-22T05:15:41Z'));
  const factory = await open({ clock });
  const held = await holdRecords(factory);
  const first = send(factory, EVENT);
  await expect.poll(held.isWaitedFor).toBe(true);
  first.destroy();
  await clock.untilSleepOf(15_000);
  await held.release();
  await expect.poll(() => ofEvents(factory)).toEqual(['UploadEvent answered']);
  await factory.post(OTHER);
  await clock.advance(14_999);
  expect((await factory.post(EVENT)).status).toBe(200);
  expect(ofEvents(factory).at(-1)).toBe('UploadEvent repeat');
  expect(kept(factory)).toBe('once;other;');
  // That answer was delivered, which ends the matter.
  expect((await factory.post(EVENT)).status).toBe(200);
  expect(ofEvents(factory).at(-1)).toBe('UploadEvent answered');
  expect(kept(factory)).toBe('once;other;once;');
});

test('nothing is kept for whoever does not come in time', async () => {
  const clock = createManualClock(new Date('2026-11-22T05:15:41Z'));
  const factory = await open({ clock });
  const held = await holdRecords(factory);
  const first = send(factory, EVENT);
  await expect.poll(held.isWaitedFor).toBe(true);
  first.destroy();
  await clock.untilSleepOf(15_000);
  await held.release();
  await expect.poll(() => ofEvents(factory)).toEqual(['UploadEvent answered']);
  await factory.post(OTHER);
  await clock.advance(15_000);
  await factory.post(EVENT);
  expect(ofEvents(factory)).toEqual(Array.from({ length: 3 }, () => 'UploadEvent answered'));
  expect(kept(factory)).toBe('once;other;once;');
});

test('a call after an answer that was delivered is a new one', async () => {
  const factory = await open();
  for (const body of [EVENT, OTHER, EVENT, OTHER]) expect((await factory.post(body)).status).toBe(200);
  expect(kept(factory)).toBe('once;other;once;other;');
});

test('what was not done is done when it comes again', async () => {
  const factory = await open({ limits: { uploads: { freeBytesMin: 1e15 } } });
  const [first, second] = [await factory.post(EVENT), await factory.post(EVENT)];
  expect([first.status, second.status]).toEqual([503, 503]);
  expect(ofEvents(factory)).toEqual(['UploadEvent later', 'UploadEvent later']);
});

test('the same bytes as a call of another method are another call', async () => {
  const factory = await open();
  const held = await holdRecords(factory);
  const said = Promise.all([
    factory.post(encodeCall('UploadEvent', ['a', Buffer.from('x')])),
    factory.post(encodeCall('SaveAuxLog', ['a', Buffer.from('x')])),
    factory.post(encodeCall('UploadEvent', ['b', Buffer.from('x')])),
  ]);
  await expect.poll(held.isWaitedFor).toBe(true);
  await held.release();
  expect((await said).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await factory.rows()).toHaveLength(3);
});
