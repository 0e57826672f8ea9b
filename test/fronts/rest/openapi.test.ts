// The description of the HTTP door: valid by itself, current in the repository, and true of every route.
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callOfEvent } from '../../../src/core/shopfloor-call.ts';
import { noticeRestore } from '../../../src/farm/notice-restore.ts';
import { insertQuarantinedEvents } from '../../../src/store/testlog-events.ts';
import { board, connect } from '../../support/bot-calls.ts';
import { testLine } from '../../support/farm.ts';
import { insertJob, insertUnit, oweTo } from '../../support/rows.ts';
import { openFactory, type TestFactory } from '../factory/open-factory.ts';
import { wallClock } from '../../support/wall-clock.ts';
import type { OpenApi } from './hold-to-openapi.ts';
import { openStream } from './stream-reader.ts';
import { openDoor, rowsOf, type TestDoor } from './open-door.ts';

let door: TestDoor;
let document: OpenApi;
let factory: TestFactory;
beforeAll(async () => {
  factory = await openFactory();
  const { depot, database } = factory;
  const parameters = { depot, shelf: { ...depot.parameters, depot: depot.id }, instance: 'line-1' };
  door = await openDoor({ database, parameters, lines: [testLine({ shopfloorUrl: 'http://127.0.0.1:9/' })] });
  document = (await door.send('GET', '/api/v1/openapi.json')).json as unknown as OpenApi;
});
afterAll(async () => {
  await door.close();
  await factory.close();
});

const LINE = '/api/v1/instances/line-1';
const reason = { reason: 'as the test has it' };
const work = { station: 'FAT', tests: [{ testId: 'FAT.Probe', command: { argv: ['probe'] }, timeout: '90s' }] };

const operations = (): readonly { readonly method: string; readonly path: string; readonly name: string }[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => ({
      method: method.toUpperCase(),
      path,
      name: operationId,
    })),
  );

test('is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

test('tells of every route, and of no other', () => {
  const served = door.routes
    .filter(({ method }) => method !== 'HEAD')
    .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
  expect(
    operations()
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  ).toEqual(served.toSorted());
});

test('is in the repository as it is served', () => {
  const kept: unknown = JSON.parse(readFileSync('docs/reference/openapi.json', 'utf8'));
  // Otherwise: node scripts/write-api-reference.mjs
  expect(kept).toEqual(document);
});

/** Each of these is held to the description by the door of the test itself. */
test('is true of an answer of every route', async () => {
  const well = async (method: string, path: string, body?: unknown) => {
    const answer = await door.send(method, path, body === undefined ? {} : { body });
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    return answer;
  };
  const all = (paths: readonly string[]) => Promise.all(paths.map((path) => well('GET', path)));
  const { pool } = door.database;

  await all(['/', '/livez', '/readyz', '/metrics', '/api/v1/whoami', '/api/v1/openapi.json', '/api/v1/asyncapi.json']);
  const { json: job } = await well('POST', `${LINE}/jobs`, { work, serials: { 'serials.mlb_serial_number': 'A-1' } });
  await well('POST', `${LINE}/jobs`, {
    jobs: [
      { payload: { typeUrl: 'example.com/acme.Task', value: 'AQL/' }, requestedBotId: 'nobody', queueTimeout: '5min' },
    ],
  });
  const bot = await connect(door.home, 'bot-1', { duts: [board('A-1')] });
  const [lease] = bot.created.leases;
  await bot.poll([{ id: lease!.id, state: 'ACTIVE' }]);
  const measurements = [{ name: 'v', value: 5.1, unit: 'V', verdict: 'PASSED' }];
  const attachments = [{ name: 'log', sizeBytes: 5 }];
  const result = { testId: 'FAT.Probe', status: 'PASSED', measurements, attachments, duration: '1.5s' };
  await well('POST', `${LINE}/results`, { session: bot.name, leaseId: lease!.id, results: [result] });
  await all([`${LINE}/bots`, `${LINE}/bots/bot-1`, `${LINE}/jobs/${job.id}`, `${LINE}/jobs/${job.id}/why`]);
  const completion = { code: 0, message: '', results: [], unread: null, result: null };
  await bot.poll([{ id: lease!.id, state: 'COMPLETED', completion }]);
  await well('POST', `${LINE}/jobs/${job.id}/notes`, { note: 'seen' });
  await all([`${LINE}/jobs`, `${LINE}/jobs/${job.id}/results`, `${LINE}/jobs/${job.id}/watch`]);
  const { json: other } = await well('POST', `${LINE}/jobs`, { work, requestedBotId: 'nobody' });
  await well('POST', `${LINE}/jobs/${other.id}/cancel`, reason);

  await well('POST', `${LINE}/bots/bot-1/quarantine`, reason);
  await well('POST', `${LINE}/bots/bot-1/release`, reason);
  await well('POST', `${LINE}/drains`, { pattern: 'nobody-*', note: 'n', expiresIn: '5min' });
  await all([`${LINE}/drains`, `${LINE}/bots?pattern=*&connected=true&pageSize=1`]);
  await well('DELETE', `${LINE}/drains/nobody-*`);

  const { json: device } = (await all([`${LINE}/devices?serial=A-1`]))[0]!;
  await pool.query(`update devices set held_reason = 'looked at' where id = $1`, [device.id]);
  await all([`${LINE}/devices/${device.id}`, `${LINE}/units/A-1`, '/api/v1/units/A-1?instance=line-1']);
  await all([`${LINE}/units/A-1/stations/FFT`, '/api/v1/units/A-1/stations/FFT?instance=line-1']);
  await well('POST', `${LINE}/devices/${device.id}/release`, reason);

  const calls = await well('GET', `${LINE}/calls?serial=A-1&state=OWED`);
  const head = String(rowsOf(calls, 'calls').at(-1)?.['id']);
  const die = async () => {
    await pool.query(`update shopfloor_calls set state = 'DEAD', body = 'x', last_error = 'no' where id = $1`, [head]);
    await pool.query('update lanes set blocked = true, due_at = null where device_id = $1', [device.id]);
  };
  await die();
  await all([`${LINE}/calls/${head}`, `${LINE}/lanes?blocked=true`]);
  await well('POST', `${LINE}/calls/${head}/retry`, {});
  await die();
  await well('POST', `${LINE}/calls/${head}/skip`, reason);

  for (const way of ['retry', 'override'] as const) {
    const unit = await insertUnit(pool, `G-${way}`);
    const held = await insertJob(pool, { deviceId: unit, station: 'GATED', heldBy: 'GATE_REFUSED' });
    await well('POST', `${LINE}/jobs/${held}/gate/${way}`, reason);
  }

  await well('POST', `${LINE}/bots/bot-2/tokens`, { expiresIn: '1h' });
  await well('POST', `${LINE}/bots/bot-2/tokens/rotate`, { overlap: '1min' });
  const tokens = rowsOf(await well('GET', `${LINE}/bot-tokens?bot=bot-2&valid=true`), 'tokens');
  await well('DELETE', `${LINE}/bot-tokens/${String(tokens[0]?.['id'])}`);
  await well('DELETE', `${LINE}/bots/bot-2/tokens`);

  const origin = { instance: 'line-1', nodeId: null, peer: '10.0.0.1' };
  const bad = {
    sha256: 'a'.repeat(64),
    bytes: 2,
    reason: 'no JSON',
    event: Buffer.from('{]'),
    path: null,
    attachments: {},
  };
  await insertQuarantinedEvents(pool, origin, [bad]);
  await all([`${LINE}/quarantined-events`]);

  await oweTo(pool, await insertUnit(pool, 'B-1'), [callOfEvent('SMT', 'Finalize')]);
  await noticeRestore(pool, { said: true });
  await all([`${LINE}/bridge/reconciliation`]);
  await well('POST', `${LINE}/bridge/resume`, reason);

  const parameter = `${LINE}/parameters/fw%2Fboard.conf`;
  const octets = { 'content-type': 'application/octet-stream' };
  for (const [text, status] of [
    ['on', 201],
    ['on', 200],
    ['off', 201],
  ] as const) {
    const kept = await door.send('POST', `${parameter}/versions`, { body: Buffer.from(text), headers: octets });
    expect(kept.status).toBe(status);
  }
  for (const version of [1, 2]) await well('POST', `${parameter}/activate`, { version, ...reason });
  await all([`${LINE}/parameters`, parameter]);
  await well('POST', `${parameter}/roll-back`, reason);

  const events = `${LINE}/events`;
  const stream = await openStream(door.door.port, events, {});
  while (!stream.text().endsWith('\n')) {
    await well('POST', `${LINE}/jobs`, { work, requestedBotId: 'nobody' });
    await Promise.race([stream.until(() => stream.text().endsWith('\n')), wallClock.sleep(100)]);
  }
  const { status, type, text } = { ...stream, text: stream.text() };
  expect(door.held.wrongIn({ method: 'GET', path: events, sent: '', status, type, text })).toEqual([]);
  stream.close();

  expect(operations().flatMap(({ name }) => (door.answered.has(name) ? [] : [name]))).toEqual([]);
});
