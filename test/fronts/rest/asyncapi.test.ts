// The description of farm events: valid by itself, current in the repository, and true of events that really happen.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ajvFormats from 'ajv-formats';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asyncApi } from '../../../src/fronts/rest/asyncapi.ts';
import { FARM_EVENT_KINDS } from '../../../src/fronts/rest/shapes/event.ts';
import { board, connect } from '../../support/bot-calls.ts';
import { testLine } from '../../support/farm.ts';
import { openDoor, type TestDoor } from './open-door.ts';
import { openStream } from './stream-reader.ts';

const document = JSON.parse(JSON.stringify(asyncApi())) as object;
const LINE = '/api/v1/instances/line-1';

let door: TestDoor;
beforeAll(async () => {
  door = await openDoor({ lines: [testLine()], limits: { streams: { paceMs: 5 } } });
});
afterAll(() => door.close());

test('is valid AsyncAPI 3.0', () => {
  const schema = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  ajvFormats.default(ajv);
  const validate = ajv.compile(schema);
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
});

test('is in the repository, and at the door, as it is made', async () => {
  // Otherwise: node scripts/write-api-reference.mjs
  expect(JSON.parse(readFileSync('docs/reference/asyncapi.json', 'utf8'))).toEqual(document);
  expect((await door.send('GET', '/api/v1/asyncapi.json')).json).toEqual(document);
});

test('is true of what happens', async () => {
  const ajv = new Ajv2020({ strict: false, logger: false });
  ajvFormats.default(ajv);
  ajv.addSchema(document, 'asyncapi');
  const messages = new Map(
    FARM_EVENT_KINDS.map((kind) => [kind, ajv.compile({ $ref: `asyncapi#/components/messages/${kind}/payload` })]),
  );
  const reader = await openStream(door.door.port, `${LINE}/events`);
  await reader.until(() => reader.text().includes('id: '));

  const work = { station: 'FAT', tests: [{ testId: 'FAT.Probe' }] };
  const enqueue = async (job: object) => (await door.send('POST', `${LINE}/jobs`, { body: { work, ...job } })).json.id;
  const serials = { 'serials.mlb_serial_number': 'E-1' };
  await enqueue({ serials });
  const bot = await connect(door.home, 'bot-e', { duts: [board('E-1')] });
  const lease = bot.created.leases[0]!.id;
  await bot.poll([{ id: lease, state: 'ACTIVE' }]);
  const result = { testId: 'FAT.Probe', status: 'PASSED' };
  await door.send('POST', `${LINE}/results`, { body: { session: bot.name, leaseId: lease, results: [result] } });
  await bot.poll([
    { id: lease, state: 'COMPLETED', completion: { code: 0, message: '', results: [], unread: null, result: null } },
  ]);
  const body = { reason: 'as the test has it' };
  await door.send('POST', `${LINE}/bots/bot-e/quarantine`, { body });
  await door.send('POST', `${LINE}/bots/bot-e/release`, { body });
  await door.send('POST', `${LINE}/drains`, { body: { pattern: 'x-*', note: 'n' } });
  await door.send('DELETE', `${LINE}/drains/x-*`);
  await door.send('POST', `${LINE}/jobs/${await enqueue({ requestedBotId: 'nobody' })}/cancel`, { body });

  await reader.until(() => reader.told().some(({ data }) => data.includes('"JOB_CANCELLED"')));
  const told = reader
    .told()
    .map(({ data }) => JSON.parse(data) as { event: { kind: (typeof FARM_EVENT_KINDS)[number] } });
  const wrong = told.flatMap((message) => {
    const { kind } = message.event;
    const validate = messages.get(kind)!;
    return validate(message) ? [] : [`${kind}: ${ajv.errorsText(validate.errors)}`];
  });
  expect(wrong).toEqual([]);
  const kinds = new Set(told.map(({ event }) => event.kind));
  for (const kind of ['JOB_ENQUEUED', 'LEASE_GRANTED', 'LEASE_STARTED', 'RESULTS_REPORTED', 'LEASE_COMPLETED'] as const)
    expect(kinds).toContain(kind);
  for (const kind of ['JOB_FINISHED', 'BOT_QUARANTINED', 'BOT_RELEASED', 'BOTS_DRAINED', 'BOTS_UNDRAINED'] as const)
    expect(kinds).toContain(kind);
  // A message is of its own kind and no other.
  expect(messages.get('JOB_FAILED')!(told[0])).toBe(false);
  reader.close();
});
