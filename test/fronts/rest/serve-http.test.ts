// JSON over HTTP as people with curl meet it: real sockets, a real database.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBotSession } from '../../../src/farm/create-bot-session.ts';
import { updateBotSession } from '../../../src/farm/update-bot-session.ts';
import { testLine } from '../../support/farm.ts';
import { openDoor, rowsOf, type TestDoor } from './open-door.ts';

let door: TestDoor;
beforeAll(async () => {
  door = await openDoor({
    lines: [
      testLine({ shopfloorUrl: 'http://127.0.0.1:9/' }),
      testLine({ instance: '' }),
      testLine({ instance: 'hall 2/line ü' }),
    ],
  });
});
afterAll(() => door.close());

const LINE = '/api/v1/instances/line-1';
const work = {
  station: 'FAT',
  tests: [{ testId: 'FAT.Probe', command: { argv: ['probe'] }, args: { deep: true }, timeout: '90s' }],
};

const enqueue = async (job: object = {}) => {
  const { json, status } = await door.send('POST', `${LINE}/jobs`, { body: { work, ...job } });
  expect(status, JSON.stringify(json)).toBe(201);
  return json;
};

let drawn = 0;
/** A bot with a DUT of its own that runs the job pinned to it, as the farm's own verbs have it. */
const bot = async () => {
  drawn += 1;
  const botId = `bot-${drawn}`;
  const serial = { name: 'serials.mlb_serial_number', value: `MLB-${drawn}` };
  const self = { status: 1, version: '1', capacity: 1, properties: '{}', duts: [[serial]] };
  const job = await enqueue({ serials: { [serial.name]: serial.value } });
  const created = await createBotSession(door.home, { instance: 'line-1', botId, peer: 'test', self, leases: [] });
  const leaseId = created.leases[0]!.id;
  const report = (lease: { readonly state: 'ACTIVE' } | { readonly state: 'COMPLETED' }) =>
    updateBotSession(
      door.home,
      {
        name: created.name,
        botId,
        self,
        leases: [
          lease.state === 'ACTIVE'
            ? { id: leaseId, state: 'ACTIVE' }
            : {
                id: leaseId,
                state: 'COMPLETED',
                completion: { code: 0, message: '', results: [], unread: null, result: null },
              },
        ],
      },
      { untilDeadlineMs: 1_000, signal: new AbortController().signal },
    );
  return { botId, serial, job, leaseId, session: created.name, report };
};

test('a job comes back as it was asked for, with what the farm adds, and a place to find it', async () => {
  const asked = {
    requestedBotId: 'nobody',
    priority: -3,
    queueTimeout: '5min',
    onFailed: 'continue',
    attemptsMax: 2,
    constraints: [{ key: 'os', allowedValues: ['', 'linux'] }],
  };
  const { json, status, headers } = await door.send('POST', `${LINE}/jobs`, { body: { ...asked, work } });
  expect(status).toBe(201);
  expect(headers.location).toBe(`${LINE}/jobs/${json.id}`);
  expect(json).toMatchObject({
    ...asked,
    queueTimeout: '300s',
    instance: 'line-1',
    station: 'FAT',
    state: 'QUEUED',
    heldBy: null,
    attempts: 0,
    verdict: null,
    leaseId: null,
  });
  expect(json).toMatchObject({
    work: {
      tests: [
        {
          testId: 'FAT.Probe',
          command: { argv: ['probe'], env: {}, workingDirectory: '' },
          args: { deep: true },
          timeout: '90s',
        },
      ],
    },
  });
  expect(json.enqueuedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const got = await door.send('GET', headers.location!);
  expect(got.json).toEqual({ ...json, results: [], resultsLeftOut: 0 });
});

test('a batch is enqueued in one go, and a bad one not at all', async () => {
  const job = { work, requestedBotId: 'nobody' };
  const good = await door.send('POST', `${LINE}/jobs`, { body: { jobs: [job, job] } });
  expect(good.status).toBe(201);
  expect(good.json.jobs).toHaveLength(2);
  const bad = await door.send('POST', `${LINE}/jobs`, { body: { jobs: [job, { ...job, priority: 10_000_000 }] } });
  expect(bad).toMatchObject({ status: 400, json: { reason: 'PRIORITY_OUT_OF_RANGE', metadata: { index: '1' } } });
});

test('foreign payloads go as base64', async () => {
  const payload = { typeUrl: 'example.com/acme.Task', value: 'AQL/' };
  const { json } = await door.send('POST', `${LINE}/jobs`, { body: { payload, requestedBotId: 'nobody' } });
  expect(json).toMatchObject({ payload, station: '' });
  const bad = await door.send('POST', `${LINE}/jobs`, { body: { payload: { ...payload, value: '!' } } });
  expect(bad).toMatchObject({ status: 400, json: { reason: 'BAD_BODY' } });
});

test('refuses what it does not know or cannot use, in words, as problem details', async () => {
  for (const [body, words] of [
    [{ work, sation: 'FAT' }, /there is no key `sation`/],
    [
      { work: { ...work, tests: [{ testId: 't', timeout: 'soon' }] } },
      /`work\.tests\.0\.timeout`.*"soon" is no duration/,
    ],
    [{}, /either `work` for a station or `payload`/],
    [{ work, payload: { typeUrl: 'x', value: '' } }, /either `work` for a station or `payload`/],
    [{ work, priority: 'high' }, /`priority`/],
    [[], /./],
    [{ work: { ...work, tests: [] } }, /names no test/],
    [{ work, route: 'a\0b', serials: { 'serials.mlb_serial_number': 'x' } }, /U\+0000/],
  ] as const) {
    const { status, headers, json } = await door.send('POST', `${LINE}/jobs`, { body });
    expect(status).toBe(400);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(json).toMatchObject({
      title: 'Bad Request',
      status: 400,
      type: expect.stringMatching(/^urn:stationgrid:problem:/),
    });
    expect(json.detail).toMatch(words);
  }
});

test('answers what HTTP itself cannot use as problem details too', async () => {
  for (const [status, reason, answer] of [
    [400, 'UNREADABLE', door.send('POST', `${LINE}/jobs`, { body: '{"work":' })],
    [400, 'UNREADABLE', door.send('POST', `${LINE}/jobs`, { body: '' })],
    [413, 'BODY_TOO_LARGE', door.send('POST', `${LINE}/jobs`, { body: `{"a":"${'x'.repeat(1024 * 1024)}"}` })],
    [415, 'NOT_JSON', door.send('POST', `${LINE}/jobs`, { body: 'a=b', headers: { 'content-type': 'text/plain' } })],
    [404, 'NO_SUCH_PATH', door.send('GET', '/api/v2/instances')],
    [405, 'METHOD_NOT_ALLOWED', door.send('DELETE', `${LINE}/jobs`)],
    [405, 'METHOD_NOT_ALLOWED', door.send('POST', '/livez')],
    [400, 'UNREADABLE', door.send('GET', '/api/v1/instances/%zz/jobs')],
    [400, 'BAD_QUERY', door.send('GET', `${LINE}/jobs?stat=QUEUED`)],
    [404, 'NO_SUCH_ID', door.send('GET', `${LINE}/jobs/twelve`)],
    [404, 'NO_SUCH_JOB', door.send('GET', `${LINE}/jobs/999999`)],
    [400, 'UNKNOWN_INSTANCE', door.send('GET', '/api/v1/instances/line-9/jobs')],
  ] as const) {
    const said = await answer;
    expect(said, reason).toMatchObject({ status, json: { status, reason } });
    expect(said.headers['content-type'], reason).toMatch(/^application\/problem\+json/);
    expect(said.json.detail).not.toBe('');
  }
  expect((await door.send('DELETE', `${LINE}/jobs`)).headers.allow).toMatch(/GET.*POST/);
});

test('the empty instance is written -, and others are escaped', async () => {
  const empty = await door.send('POST', '/api/v1/instances/-/jobs', { body: { work } });
  expect(empty).toMatchObject({ status: 201, json: { instance: '' } });
  expect(empty.headers.location).toBe(`/api/v1/instances/-/jobs/${empty.json.id}`);
  const hall = `/api/v1/instances/${encodeURIComponent('hall 2/line ü')}/jobs`;
  const made = await door.send('POST', hall, { body: { work } });
  expect(made).toMatchObject({ status: 201, json: { instance: 'hall 2/line ü' } });
  expect((await door.send('GET', made.headers.location!)).json.id).toBe(made.json.id);
});

test('a list is walked page by page', async () => {
  for (let i = 0; i < 3; i += 1) await enqueue({ requestedBotId: 'nobody', work: { ...work, station: 'PAGED' } });
  const first = await door.send('GET', `${LINE}/jobs?station=PAGED&state=QUEUED,LEASED&pageSize=2`);
  expect(first.json.jobs).toHaveLength(2);
  const rest = await door.send(
    'GET',
    `${LINE}/jobs?station=PAGED&state=QUEUED&state=LEASED&pageSize=2&pageToken=${first.json.nextPageToken}`,
  );
  expect(rest.json).toMatchObject({ jobs: [expect.anything()], nextPageToken: '' });
  expect(await door.send('GET', `${LINE}/jobs?pageToken=${first.json.nextPageToken}`)).toMatchObject({
    status: 400,
    json: { reason: 'BAD_CURSOR' },
  });
  expect(await door.send('GET', `${LINE}/jobs?state=SLEEPING`)).toMatchObject({
    status: 400,
    json: { reason: 'BAD_QUERY' },
  });
});

test('a job is cancelled with a reason or without a body at all, and only once', async () => {
  const { id } = await enqueue({ requestedBotId: 'nobody' });
  const cancelled = await door.send('POST', `${LINE}/jobs/${id}/cancel`, { body: { reason: 'not today' } });
  expect(cancelled).toMatchObject({ status: 200, json: { state: 'CANCELLED', reason: 'not today' } });
  expect(await door.send('POST', `${LINE}/jobs/${id}/cancel`)).toMatchObject({
    status: 409,
    json: { reason: 'ALREADY_FINISHED' },
  });
  const other = await enqueue({ requestedBotId: 'nobody' });
  expect((await door.send('POST', `${LINE}/jobs/${other.id}/cancel`)).json.state).toBe('CANCELLED');
});

test('says why a job waits', async () => {
  const { id } = await enqueue({ requestedBotId: 'nobody' });
  const { json } = await door.send('GET', `${LINE}/jobs/${id}/why`);
  expect(json.code).toBe('NO_SUCH_BOT');
  expect(json.words).not.toBe('');
});

test('results are reported and listed, and a watch ends with the job', async () => {
  const { job, leaseId, session, report, botId } = await bot();
  const watched = door.send('GET', `${LINE}/jobs/${job.id}/watch`);
  await report({ state: 'ACTIVE' });
  const measured = { name: 'current', value: 1.5, unit: 'mA', max: 2, verdict: 'PASSED' };
  const result = {
    testId: 'FAT.Probe',
    status: 'PASSED',
    measurements: [measured],
    startedAt: '2026-01-01T00:00:00Z',
    duration: '1.5s',
    logsTail: 'a\0',
  };
  const send = (body: object) => door.send('POST', `${LINE}/results`, { body });
  const told = { session, leaseId, results: [result] };
  expect(await send(told)).toMatchObject({ status: 200, json: { stored: 1, repeated: 0, stale: 0, fenced: false } });
  expect((await send(told)).json).toMatchObject({ stored: 0, repeated: 1 });
  expect(await send({ ...told, results: [{ ...result, testId: '' }] })).toMatchObject({
    status: 400,
    json: { reason: 'NAME_EMPTY' },
  });
  expect(await send({ ...told, session: 'line-1/none' })).toMatchObject({
    status: 404,
    json: { reason: 'SESSION_UNKNOWN' },
  });
  expect(await send({ ...told, session: 'line-2/none' })).toMatchObject({
    status: 400,
    json: { reason: 'SESSION_OF_ANOTHER_INSTANCE' },
  });
  await report({ state: 'COMPLETED' });
  const { json } = await door.send('GET', `${LINE}/jobs/${job.id}/results`);
  expect(json.results).toMatchObject([
    {
      attempt: 1,
      leaseId,
      botId,
      stale: false,
      result: {
        testId: 'FAT.Probe',
        duration: '1.5s',
        logsTail: 'a\uFFFD',
        measurements: [{ ...measured, min: null }],
      },
    },
  ]);
  expect((await door.send('GET', `${LINE}/jobs/${job.id}`)).json).toMatchObject({
    state: 'FINISHED',
    verdict: 'PASSED',
    botId,
  });
  const { headers, text } = await watched;
  expect(headers['content-type']).toMatch(/ndjson/);
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  // It began with the job as it was then, wherever that stood, and missed nothing of what followed.
  const [first, ...followed] = lines.map(({ event }) => event);
  const story = [
    'JOB_ENQUEUED',
    'LEASE_GRANTED',
    'LEASE_STARTED',
    'RESULTS_REPORTED',
    'LEASE_COMPLETED',
    'JOB_FINISHED',
  ];
  expect(first).toBeNull();
  expect(followed.length).toBeGreaterThan(0);
  expect(followed).toEqual(story.slice(-followed.length));
  expect(lines.at(-1).job.verdict).toBe('PASSED');
  const resumed = await door.send('GET', `${LINE}/jobs/${job.id}/watch?cursor=${lines.at(-1).cursor}`);
  expect(resumed).toMatchObject({ status: 200, text: '' });
  expect(await door.send('GET', `${LINE}/jobs/999999/watch`)).toMatchObject({
    status: 404,
    json: { reason: 'NO_SUCH_JOB' },
  });
});

test('bots are listed, shown, drained, quarantined and released', async () => {
  const { botId, leaseId, session } = await bot();
  const list = await door.send('GET', `${LINE}/bots?pattern=${botId}&connected=true`);
  expect(list.json.bots).toMatchObject([
    { botId, connected: true, status: 'OK', session, leases: [{ leaseId, state: 'PENDING' }], properties: {} },
  ]);
  expect(rowsOf(list, 'bots')[0]?.['events']).toBeUndefined();
  const drained = await door.send('POST', `${LINE}/drains`, {
    body: { pattern: 'bot-*', note: 'moving', expiresIn: '1h' },
  });
  expect(drained).toMatchObject({ status: 201, json: { pattern: 'bot-*', note: 'moving' } });
  expect((await door.send('GET', `${LINE}/drains`)).json.drains).toHaveLength(1);
  expect((await door.send('GET', `${LINE}/bots/${botId}`)).json).toMatchObject({
    drain: { note: 'moving' },
    events: [],
  });
  expect(await door.send('DELETE', `${LINE}/drains/${encodeURIComponent('bot-*')}`)).toMatchObject({
    status: 204,
    text: '',
  });
  expect(await door.send('DELETE', `${LINE}/drains/${encodeURIComponent('bot-*')}`)).toMatchObject({ status: 404 });
  expect(await door.send('POST', `${LINE}/bots/${botId}/quarantine`)).toMatchObject({
    status: 400,
    json: { reason: 'REASON_MISSING' },
  });
  expect(
    (await door.send('POST', `${LINE}/bots/${botId}/quarantine`, { body: { reason: 'smoke' } })).json,
  ).toMatchObject({ quarantineReason: 'smoke' });
  expect((await door.send('POST', `${LINE}/bots/${botId}/release`)).json).toMatchObject({ quarantineReason: null });
  expect(await door.send('GET', `${LINE}/bots/nobody`)).toMatchObject({ status: 404, json: { reason: 'NO_SUCH_BOT' } });
});

test('DUTs are found by serial, and calls and lanes by DUT', async () => {
  const { serial, report, job } = await bot();
  await report({ state: 'ACTIVE' });
  await report({ state: 'COMPLETED' });
  const { json: device } = await door.send(
    'GET',
    `${LINE}/devices?serial=${serial.value}&name=serials.mlb_serial_number`,
  );
  expect(device).toMatchObject({ serials: { [serial.name]: serial.value }, heldReason: null });
  expect((await door.send('GET', `${LINE}/devices/${device.id}`)).json).toEqual(device);
  expect(await door.send('POST', `${LINE}/devices/${device.id}/release`, { body: { reason: 'x' } })).toMatchObject({
    status: 409,
    json: { reason: 'DEVICE_NOT_HELD' },
  });
  const owed = await door.send('GET', `${LINE}/calls?serial=${serial.value}&state=OWED`);
  expect(rowsOf(owed, 'calls').map(({ method, jobId }) => [method, jobId])).toEqual([
    ['UpdateTestResult', job.id],
    ['NotifyStart', job.id],
  ]);
  const head = String(rowsOf(owed, 'calls')[1]?.['id']);
  expect((await door.send('GET', `${LINE}/calls/${head}`)).json).toMatchObject({ id: head, journal: [] });
  const lanes = await door.send('GET', `${LINE}/lanes`);
  expect(rowsOf(lanes, 'lanes').find(({ deviceId }) => deviceId === device.id)).toMatchObject({
    owed: 2,
    blocked: false,
    head: { id: head },
  });
  expect(await door.send('POST', `${LINE}/calls/${head}/retry`)).toMatchObject({
    status: 409,
    json: { reason: 'CALL_NOT_DEAD' },
  });
  expect((await door.send('POST', `${LINE}/calls/${head}/skip`, { body: { reason: 'known' } })).json).toMatchObject({
    state: 'SKIPPED',
    skipReason: 'known',
  });
  expect((await door.send('GET', `${LINE}/lanes?blocked=true`)).json.lanes).toEqual([]);
});

test('says whether it lives, whether it is ready and why not, and what it counts', async () => {
  expect(await door.send('GET', '/livez')).toMatchObject({ status: 200, text: 'ok\n' });
  expect(await door.send('GET', '/readyz')).toMatchObject({ status: 200 });
  door.setReady('the database does not answer');
  expect(await door.send('GET', '/readyz')).toMatchObject({ status: 503, json: { reason: 'NOT_READY' } });
  expect((await door.send('GET', '/livez')).status).toBe(200);
  door.setReady('');
  const plain = await door.send('GET', '/metrics');
  expect(plain).toMatchObject({ status: 200, text: '# for anybody\n' });
  expect(plain.headers['content-type']).toBe('text/plain; version=0.0.4');
  const open = await door.send('GET', '/metrics', { headers: { accept: 'application/openmetrics-text' } });
  expect(open.headers['content-type']).toMatch(/^application\/openmetrics-text/);
});

test('names its doors at /, as JSON or as a page', async () => {
  const index = await door.send('GET', '/');
  expect(rowsOf(index, 'doors').map(({ name }) => name)).toEqual([
    'grpc',
    'api',
    'schema',
    'whoami',
    'metrics',
    'live',
    'ready',
  ]);
  const page = await door.send('GET', '/', { headers: { accept: 'text/html,*/*' } });
  expect(page.headers['content-type']).toMatch(/^text\/html/);
  expect(page.text).toContain('for bots &amp; schedulers');
});

test('on loopback answers only to names of loopback, and never to pages of others', async () => {
  const { port } = door.door;
  const asked = (headers: Record<string, string>) => door.send('GET', '/livez', { headers });
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, '[::1]:80', 'LOCALHOST.'])
    expect((await asked({ host })).status, host).toBe(200);
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example']) {
    expect(await asked({ host }), host).toMatchObject({ status: 421, json: { reason: 'HOST_NOT_OURS' } });
  }
  const host = `127.0.0.1:${port}`;
  expect((await asked({ host, origin: `http://${host}` })).status).toBe(200);
  for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1', 'http://localhost']) {
    expect(await asked({ host, origin }), origin).toMatchObject({ status: 403, json: { reason: 'FOREIGN_ORIGIN' } });
  }
});

test('a database that is away is 503 with leave to come again; a fault of ours is 500 and nothing more', async () => {
  const { pool } = door.database;
  const queryReally = pool.query.bind(pool);
  const fail = (error: Error) => Object.assign(pool, { query: () => Promise.reject(error) });
  fail(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  const away = await door.send('GET', `${LINE}/jobs/1`);
  expect(away).toMatchObject({ status: 503, json: { reason: 'DATABASE_AWAY' } });
  expect(away.headers['retry-after']).toBe('1');
  fail(new Error('a secret of ours'));
  const broken = await door.send('GET', `${LINE}/jobs/1`);
  Object.assign(pool, { query: queryReally });
  expect(broken).toMatchObject({ status: 500, json: { reason: 'INTERNAL', detail: 'internal error' } });
  expect(broken.text).not.toContain('secret');
  expect(door.logged.filter(({ level }) => level === 'error')).toMatchObject([
    { facts: { err: { message: 'a secret of ours' } } },
  ]);
});

test('stopping ends a watch and leaves nothing open', async () => {
  const another = await openDoor();
  const { json } = await another.send('POST', `${LINE}/jobs`, { body: { work } });
  const watched = another.send('GET', `${LINE}/jobs/${json.id}/watch`);
  const requests = () => another.farm.pool.totalCount;
  expect(requests()).toBeGreaterThan(0);
  await another.send('GET', '/livez');
  const stopping = another.close();
  const [, last] = (await watched).text.split('\n');
  expect(JSON.parse(last!)).toMatchObject({ problem: { status: 503, reason: 'SHUTTING_DOWN' } });
  await stopping;
});

test('a unit by any of its serials: its history, and whether it may run a station', async () => {
  const { id } = await enqueue({ serials: { 'serials.mlb_serial_number': 'MLB-UNIT' } });
  const { json, status } = await door.send('GET', `${LINE}/units/MLB-UNIT?pageSize=1`);
  expect({ status, json }).toMatchObject({
    status: 200,
    json: {
      device: { serials: { 'serials.mlb_serial_number': 'MLB-UNIT' } },
      entries: [{ kind: 'JOB', jobId: id, station: 'FAT', job: { id, state: 'QUEUED' } }],
      nextPageToken: '',
      olderLeftOut: false,
    },
  });
  expect(await door.send('GET', '/api/v1/units/MLB-UNIT?instance=line-1&pageSize=1')).toMatchObject({ status, json });
  const check = await door.send('GET', `${LINE}/units/MLB-UNIT/stations/FAT`);
  expect(check).toMatchObject({ status: 200, json: { mayRun: false, code: 'DUT_ABSENT', jobId: id } });
  expect(await door.send('GET', '/api/v1/units/MLB-UNIT/stations/FAT?instance=line-1')).toMatchObject({
    json: check.json,
  });
  for (const path of [`${LINE}/units/NOBODY`, '/api/v1/units/MLB-UNIT', `${LINE}/units/NOBODY/stations/FAT`]) {
    expect(await door.send('GET', path)).toMatchObject({
      status: 404,
      json: {
        reason: 'NO_SUCH_DEVICE',
        detail: expect.stringMatching(/^No DUT of instance .* It gets its record when/),
      },
    });
  }
});

test('no registration code is shown in the history of a unit', async () => {
  const { job, serial } = await bot();
  const code = `=${'CjAKIAAAABBBBCCCCDDDD'.repeat(3)}`;
  await door.send('POST', `${LINE}/jobs/${job.id}/notes`, { body: { note: `activated with ${code}` } });
  const text = JSON.stringify((await door.send('GET', `${LINE}/units/${serial.value}`)).json);
  expect(text).toContain('activated with <redacted');
  expect(text).not.toContain(code);
});
