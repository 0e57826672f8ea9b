// What is watched over HTTP: as Server-Sent Events and as lines, from where a reader was, within bounds.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clock } from '../../../src/core/clock.ts';
import { farmEvent } from '../../../src/core/farm-event.ts';
import type { Known } from '../../../src/farm/identify.ts';
import { appendEvents } from '../../../src/store/farm-events.ts';
import { board, connect } from '../../support/bot-calls.ts';
import { testLine } from '../../support/farm.ts';
import { wallClock } from '../../support/wall-clock.ts';
import { openDoor, type TestDoor } from './open-door.ts';
import { openStream, type StreamReader, type Told } from './stream-reader.ts';

const LINE = '/api/v1/instances/line-1';
const work = { station: 'FAT', tests: [{ testId: 'FAT.Probe' }] };
const lines = [testLine(), testLine({ instance: 'line-2' })];
const limits = { streams: { paceMs: 5, heartbeatMs: 50 }, replica: { tickMs: 50 } };

let door: TestDoor;
beforeAll(async () => {
  door = await openDoor({ lines, limits });
});
afterAll(() => door.close());

const enqueue = async (instance = 'line-1', job: object = {}): Promise<number> => {
  const { json } = await door.send('POST', `/api/v1/instances/${instance}/jobs`, { body: { work, ...job } });
  return json.id;
};
const open = (path: string, headers?: Record<string, string>): Promise<StreamReader> =>
  openStream(door.door.port, path, { accept: 'text/event-stream', ...headers });

type EventTold = { readonly cursor: string; readonly event: { readonly kind: string; readonly jobId: number | null } };
const eventOf = ({ data }: Told) => (JSON.parse(data) as EventTold).event;
const kindsOf = (reader: StreamReader) => reader.told().map((each) => eventOf(each).kind);

test('a job is followed as Server-Sent Events to its end, and on from any of them', async () => {
  const id = await enqueue('line-1', { serials: { 'serials.mlb_serial_number': 'W-1' } });
  const reader = await open(`${LINE}/jobs/${id}/watch`);
  expect(reader).toMatchObject({ status: 200, type: 'text/event-stream; charset=utf-8' });
  await reader.until(() => reader.told().length > 0);
  const bot = await connect(door.home, 'bot-w', { duts: [board('W-1')] });
  const lease = bot.created.leases[0]!.id;
  await bot.poll([{ id: lease, state: 'ACTIVE' }]);
  const completion = { code: 0, message: '', results: [], unread: null, result: null };
  await bot.poll([{ id: lease, state: 'COMPLETED', completion }]);
  await reader.ended;
  expect(reader.text()).toMatch(/^retry: \d+\n\n/);
  const told = reader.told();
  const events = told.map(({ event, data }) =>
    event === 'end' ? event : (JSON.parse(data) as { event: string }).event,
  );
  expect(events[0]).toBeNull();
  expect(events.slice(-2)).toEqual(['JOB_FINISHED', 'end']);
  const began = told.findIndex(({ data }) => data.includes('"LEASE_STARTED"'));
  const again = await open(`${LINE}/jobs/${id}/watch?cursor=none-of-ours`, { 'last-event-id': told[began]!.id });
  await again.ended;
  expect(again.told().map(({ id }) => id)).toEqual(told.slice(began + 1).map(({ id }) => id));
});

test('what happens in an instance is told as it happens, by kind, job and bot, and nothing of another', async () => {
  const [all, some, other] = await Promise.all([
    open(`${LINE}/events`),
    open(`${LINE}/events?kind=JOB_CANCELLED,BOT_QUARANTINED`),
    open('/api/v1/instances/line-2/events'),
  ]);
  // Each has said where it stands: what follows is told.
  await Promise.all([all, some, other].map((each) => each.until(() => each.text().includes('id: '))));
  const id = await enqueue('line-1', { requestedBotId: 'nobody' });
  const own = await open(`${LINE}/events?jobId=${id}`);
  await own.until(() => own.text().includes('id: '));
  await door.send('POST', `${LINE}/jobs/${id}/cancel`);
  const elsewhere = await enqueue('line-2', { requestedBotId: 'nobody' });
  await all.until(() => kindsOf(all).includes('JOB_CANCELLED'));
  await other.until(() => other.told().length > 0);
  await own.until(() => kindsOf(own).includes('JOB_CANCELLED'));
  await some.until(() => some.told().length > 0);
  expect(kindsOf(all).filter((kind) => kind.startsWith('JOB_'))).toEqual(['JOB_ENQUEUED', 'JOB_CANCELLED']);
  expect(kindsOf(some)).toEqual(['JOB_CANCELLED']);
  expect(other.told().map((each) => eventOf(each).jobId)).toEqual([elsewhere]);
  expect(own.told().every((each) => eventOf(each).jobId === id)).toBe(true);
  for (const each of [all, some, other, own]) each.close();
});

test('who was away goes on where it was, and misses nothing and hears nothing twice', async () => {
  const reader = await open(`${LINE}/events?kind=JOB_ENQUEUED`);
  await reader.until(() => reader.text().includes('id: '));
  const first = await enqueue('line-1', { requestedBotId: 'nobody' });
  await reader.until(() => reader.told().length === 1);
  reader.close();
  const missed = [];
  for (let n = 0; n < 3; n += 1) missed.push(await enqueue('line-1', { requestedBotId: 'nobody' }));
  const back = await open(`${LINE}/events?kind=JOB_ENQUEUED`, { 'last-event-id': reader.told()[0]!.id });
  await back.until(() => back.told().length === 3);
  expect([first, ...back.told().map((each) => eventOf(each).jobId)]).toEqual([first, ...missed]);
  back.close();
  const strange = await open(`${LINE}/events?kind=JOB_FAILED`, { 'last-event-id': reader.told()[0]!.id });
  await strange.ended;
  expect(strange.status).toBe(400);
  expect(strange.text()).toContain('BAD_CURSOR');
});

test('curl gets lines', async () => {
  const reader = await openStream(door.door.port, `${LINE}/events?kind=JOB_ENQUEUED`, {});
  expect(reader.type).toBe('application/x-ndjson');
  // There is nothing by which lines say where they begin: it is tried until one is heard.
  for (let text = ''; text === ''; text = reader.text()) {
    await enqueue('line-1', { requestedBotId: 'nobody' });
    await Promise.race([reader.until(() => reader.text() !== ''), wallClock.sleep(100)]);
  }
  const [line] = reader.text().split('\n');
  expect(JSON.parse(line!)).toMatchObject({ cursor: expect.any(String), event: { kind: 'JOB_ENQUEUED' } });
  reader.close();
});

test('a stream on which nothing happens says that it lives, and where its reader stands', async () => {
  const reader = await open('/api/v1/instances/line-2/events?kind=JOB_FAILED');
  await reader.until(() => (reader.text().match(/^: nothing new\nid: \S+$/gm)?.length ?? 0) >= 3);
  expect(reader.told()).toEqual([]);
  reader.close();
});

test('has room for so many of one caller and in all, and says so', async () => {
  const small = await openDoor({
    lines,
    limits: { ...limits, streams: { ...limits.streams, openMax: 3, perCallerMax: 2 } },
  });
  const path = `${LINE}/events`;
  const readers = [await openStream(small.door.port, path), await openStream(small.door.port, path)];
  expect(await small.send('GET', path)).toMatchObject({ status: 429, json: { reason: 'TOO_MANY_STREAMS' } });
  readers[0]!.close();
  // Its place is free when the door has heard that it left.
  for (;;) {
    const next = await openStream(small.door.port, path);
    next.close();
    if (next.status === 200) break;
  }
  readers[1]!.close();
  await small.close();
});

test('a reader who left before it was known who it is takes no place', async () => {
  const gone = new AbortController();
  let hear = (): void => undefined;
  const asked = new Promise<void>((resolve) => (hear = resolve));
  let know = (_: Known): void => undefined;
  const anybody: Known = { principal: { kind: 'open' }, until: new AbortController().signal };
  const first = new Promise<Known>((resolve) => (know = resolve));
  let times = 0;
  const small = await openDoor({
    lines,
    limits: { ...limits, streams: { ...limits.streams, openMax: 1, perCallerMax: 1 } },
    // Of the first one it takes a while to find out.
    identify: () => {
      times += 1;
      if (times > 1) return Promise.resolve(anybody);
      hear();
      return first;
    },
  });
  const answers: ServerResponse[] = [];
  const watch = (begun: unknown): void => void answers.push((begun as { response: ServerResponse }).response);
  subscribe('http.server.request.start', watch);
  const leaving = fetch(`http://127.0.0.1:${small.door.port}${LINE}/events`, { signal: gone.signal });
  await asked;
  unsubscribe('http.server.request.start', watch);
  const heardOf = once(answers[0]!, 'close');
  gone.abort();
  await expect(leaving).rejects.toThrow();
  await heardOf;
  know(anybody);
  const reader = await openStream(small.door.port, `${LINE}/events`);
  expect(reader.status).toBe(200);
  reader.close();
  await small.close();
});

test('ends with the replica, and says why', async () => {
  const leaving = await openDoor({ lines, limits });
  const [sse, plain] = await Promise.all([
    openStream(leaving.door.port, `${LINE}/events`),
    openStream(leaving.door.port, `${LINE}/events`, {}),
  ]);
  const closed = leaving.close();
  await Promise.all([sse.ended, plain.ended]);
  const [told] = sse.told();
  expect(told?.event).toBe('problem');
  expect(JSON.parse(told!.data)).toMatchObject({ status: 503, reason: 'SHUTTING_DOWN' });
  expect(JSON.parse(plain.text())).toMatchObject({ problem: { reason: 'SHUTTING_DOWN' } });
  await closed;
});

test('who reads nothing is cut off, with words', async () => {
  const STALL_MS = 31_337;
  const stalls: (() => void)[] = [];
  let stalled = (): void => undefined;
  const firstStall = new Promise<void>((resolve) => (stalled = resolve));
  const clock: Clock = {
    ...wallClock,
    now: () => wallClock.now(),
    monotonicMs: () => wallClock.monotonicMs(),
    // Patience ends when the test says so.
    sleep: (ms, signal) =>
      ms === STALL_MS
        ? new Promise((resolve) => {
            stalls.push(resolve);
            signal?.addEventListener('abort', () => resolve(), { once: true });
            stalled();
          })
        : wallClock.sleep(ms, signal),
  };
  const slow = await openDoor({
    lines,
    clock,
    limits: { ...limits, streams: { ...limits.streams, stallMs: STALL_MS } },
  });
  const reader = await openStream(slow.door.port, `${LINE}/events`);
  await reader.until(() => reader.text().includes('id: '));
  reader.response.pause();
  const event = farmEvent('BOT_EVENT', 'line-1', { botId: 'b', facts: { words: 'x'.repeat(20_000) } });
  await appendEvents(
    slow.database.pool,
    Array.from({ length: 1000 }, () => event),
  );
  await firstStall;
  for (const end of stalls.splice(0)) end();
  reader.response.resume();
  await reader.until(() => reader.text().includes('event: problem'));
  expect(reader.told().at(-1)?.data).toContain('STREAM_TOO_SLOW');
  for (const end of stalls.splice(0)) end();
  await reader.ended;
  await slow.close();
});
