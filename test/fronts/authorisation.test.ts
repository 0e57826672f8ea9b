/**
 * Every method of every door, as each kind of caller that must not, and that may. Methods come from what the doors
 * serve, expectations from the rule that the table has for their verb; nothing here names a method, so a new one is
 * tried the day it is served.
 */
import { randomUUID } from 'node:crypto';
import type { Client } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rule, rules, type Verb } from '../../src/core/authorisation.ts';
import { type Role, ROLES } from '../../src/core/principal.ts';
import { createServices } from '../../src/fronts/grpc/services.ts';
import { foreignVerbs } from '../../src/fronts/grpc/verbs.ts';
import {
  BotSession,
  BotsService,
  CreateBotSessionRequest,
  PostBotEventTempRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import {
  CreateReservationRequest,
  ReservationsService,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { DrainBotsRequest, FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { EnqueueJobRequest, Job, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import {
  dawdleGrpc,
  dawdleHttp,
  knockGrpc,
  knockHttp,
  type Method,
  openClient,
  type Said,
  type Verdict,
} from './knocking.ts';
import { type OpenDoors, openSecuredDoors, type SecuredDoors } from './secured-doors.ts';

const MESSAGE_BYTES_MAX = 64 * 1024;
const REQUEST_MS = 400;

/** What a request is about. */
type About = {
  readonly instance: string;
  readonly botId: string;
  readonly session: string;
  /** Things in an instance. */
  readonly ids: Ids;
};
type Ids = {
  readonly job: number;
  readonly device: number;
  readonly call: string;
  readonly reservation: string;
  readonly pattern: string;
  readonly token: string;
  readonly bot: string;
  readonly serial: string;
};
/** Things that are nowhere. As long as those that are, so that answers can be compared. */
const absent: Ids = {
  job: 900_001,
  device: 900_002,
  call: randomUUID(),
  reservation: 'nowhere',
  pattern: 'nowhere-*',
  token: randomUUID(),
  bot: 'nobody',
  serial: 'NOWHERE',
};

/** A method of a door, and how to knock on it. */
type Door = {
  readonly name: string;
  readonly verb: Verb;
  readonly rule: Rule;
  readonly knock: (about: About, bearer: string | null) => Promise<Said>;
  readonly oversize: (about: About, bearer: string | null) => Promise<Said>;
  readonly dawdle: (about: About, bearer: string | null) => Promise<Said>;
};

let doors: SecuredDoors;
/** Of the same farm, with so little patience that only half-sent requests may knock there. */
let hasty: OpenDoors;
let client: Client;
let all: readonly Door[] = [];
let line1: About;
let line2: About;
const bearers: Record<string, string> = {};
const cells = new Map<string, Set<string>>();
let cellCount = 0;

beforeAll(async () => {
  doors = await openSecuredDoors({
    grpc: { receiveBytesMax: MESSAGE_BYTES_MAX },
    poll: { holdMaxMs: 50 },
  });
  hasty = await doors.openMore({
    grpc: { ...doors.home.limits.grpc, requestMs: REQUEST_MS },
    http: { ...doors.home.limits.http, requestMs: REQUEST_MS, headersMs: REQUEST_MS, checkMs: 50 },
  });
  client = openClient(doors.grpc.port);
  // So that no number of a thing is part of another number in an answer.
  await doors.database.pool.query(
    `select setval('job_ids', 700001), setval(pg_get_serial_sequence('devices', 'id'), 800001)`,
  );
  for (const role of ROLES.filter((each) => each !== 'bot')) {
    bearers[`line-1:${role}`] = await doors.memberToken(`${role}-1`, [`line-1:${role}`]);
    bearers[`*:${role}`] = await doors.memberToken(`${role}-all`, [`*:${role}`]);
  }
  const everyRoleOf = (instance: string) => ROLES.map((role) => `${instance}:${role}`);
  bearers['all of line-1'] = await doors.memberToken('all-1', everyRoleOf('line-1'));
  bearers['all of line-2'] = await doors.memberToken('all-2', everyRoleOf('line-2'));
  bearers['no role'] = await doors.memberToken('none', []);
  for (const [instance, botId] of [
    ['line-1', 'bot-1'],
    ['line-1', 'bot-2'],
    ['line-2', 'bot-3'],
  ] as const)
    bearers[botId] = await doors.botToken(instance, botId);
  line1 = { instance: 'line-1', botId: 'bot-1', session: await begin('line-1', 'bot-1'), ids: await furnish('line-1') };
  await begin('line-1', 'bot-2');
  line2 = { instance: 'line-2', botId: 'bot-3', session: await begin('line-2', 'bot-3'), ids: await furnish('line-2') };
  all = [...(await grpcDoors()), ...httpDoors()];
}, 60_000);

afterAll(async () => {
  client.close();
  await doors.close();
  process.stdout.write(`authorisation: ${all.length} methods of the doors, ${cellCount} cells\n`);
});

/** Something of each kind. */
async function furnish(instance: string): Promise<Ids> {
  const serial = `SN-${instance}`;
  const ask = askAs(bearers[`*:admin`]!);
  const job = await ask(
    JobsService.enqueueJob,
    EnqueueJobRequest.create({
      job: Job.create({
        instance,
        serials: { 'serials.mlb_serial_number': serial },
        task: { $case: 'work', value: { station: 'FAT', tests: [{ testId: 'FAT.Probe' }] } },
        requestedBotId: 'a-bot-that-never-comes',
      } as object),
    }),
  );
  const device = await ask(FleetService.getDevice, { instance, name: '', value: serial });
  const reservation = 'booked';
  await ask(
    ReservationsService.createReservation,
    CreateReservationRequest.create({
      parent: instance,
      reservation: {
        name: `${instance}/reservations/${reservation}`,
        payload: { typeUrl: 'type.example/work', value: Buffer.from('x') },
        requestedBotId: 'a-bot-that-never-comes',
        matchTimeout: { seconds: 3600n, nanos: 0 },
      },
    }),
  );
  const pattern = `${instance}-*`;
  await ask(FleetService.drainBots, DrainBotsRequest.create({ instance, pattern, note: 'a rule' }));
  const { rows: calls } = await doors.home.pool.query<{ id: string }>(
    'select id from shopfloor_calls where instance = $1 limit 1',
    [instance],
  );
  const { rows: tokens } = await doors.home.pool.query<{ id: string }>(
    'select id from bot_tokens where instance = $1 limit 1',
    [instance],
  );
  return {
    ...{ job: Number(job.id), device: Number(device.id), call: calls[0]!.id, reservation, pattern },
    ...{ token: tokens[0]!.id, bot: instance === 'line-1' ? 'bot-1' : 'bot-3', serial },
  };
}

type Rpc<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

function askAs(bearer: string) {
  return async <Q, R>(method: Rpc<Q, R>, request: Q): Promise<R> => {
    const reply = await rawReply(method.path, method.requestSerialize(request), bearer);
    return method.responseDeserialize(reply);
  };
}

async function rawReply(path: string, bytes: Buffer, bearer: string): Promise<Buffer> {
  const { Metadata } = await import('@grpc/grpc-js');
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${bearer}`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (each: Buffer) => each,
      (each: Buffer) => each,
      bytes,
      metadata,
      (error, reply) => {
        if (error === null) resolve(reply!);
        else reject(error);
      },
    );
  });
}

/** A session, and a call that its bot's event owes. */
async function begin(instance: string, botId: string): Promise<string> {
  const ask = askAs(bearers[botId]!);
  const device = { handle: 'primary', properties: [{ key: 'serials.serial_number', value: `U-${botId}` }] };
  const botSession = BotSession.create({ botId, status: 1, worker: { devices: [device] } } as object);
  const { name } = await ask(
    BotsService.createBotSession,
    CreateBotSessionRequest.create({ parent: instance, botSession }),
  );
  await ask(BotsService.postBotEventTemp, PostBotEventTempRequest.create({ name, type: 1, msg: 'hello' }));
  return name;
}

async function grpcDoors(): Promise<readonly Door[]> {
  const closing = new AbortController().signal;
  const { home } = doors;
  const services = createServices({ home, bots: { recordBotEvents: true, echoPayload: 'pending-only' }, closing });
  const ours = services.flatMap(({ endpoints }) =>
    endpoints.map(({ method, asking }) => ({
      method: method,
      verb: asking.verb,
      encode: (about: About): Buffer => encodeFor(method, about),
    })),
  );
  const reflection = await Promise.all(
    ['v1', 'v1alpha'].map(async (version) => {
      const proto = await load(`grpc/reflection/${version}/reflection.proto`, {
        includeDirs: ['node_modules/@grpc/reflection/build/proto'],
      });
      return Object.values(proto[`grpc.reflection.${version}.ServerReflection`]!);
    }),
  );
  const foreign = [...Object.values(healthService), ...reflection.flat()].map((method) => ({
    method: method as Method,
    verb: foreignVerbs[(method as Method).path]!,
    // Health of the whole server; of reflection, the list of services.
    encode: () => ((method as Method).requestStream ? Buffer.from([0x3a, 0x01, 0x2a]) : Buffer.alloc(0)),
  }));
  return [...ours, ...foreign].map(({ method, verb, encode }) => ({
    name: method.path,
    verb,
    rule: rules[verb],
    knock: (about, bearer) => knockGrpc(client, method, encode(about), bearer),
    oversize: (_about, bearer) => knockGrpc(client, method, Buffer.alloc(MESSAGE_BYTES_MAX + 1), bearer),
    dawdle: (_about, bearer) => dawdleGrpc(hasty.grpc.port, method, bearer),
  }));
}

/** Fields are filled by their names, which mean one thing each in all of our messages. */
function encodeFor(
  method: { readonly path: string; readonly requestDeserialize: (bytes: Buffer) => unknown },
  { instance, botId, session, ids }: About,
): Buffer {
  const job = Job.create({ instance });
  const values: Record<string, unknown> = {
    ...{ instance, parent: instance, session, job, reason: 'because', note: 'because' },
    ...{
      jobId: BigInt(ids.job),
      botId: ids.bot,
      pattern: ids.pattern,
      tokenId: ids.token,
      value: ids.serial,
      station: 'FAT',
    },
    botSession: BotSession.create({ botId, name: method.path.endsWith('CreateBotSession') ? '' : session, status: 1 }),
    requests: [{ requestId: '', job }],
    name: method.path.includes('Reservation') ? `${instance}/reservations/${ids.reservation}` : session,
    leaseId: absent.call,
    ...{ scalerMetadata: { instance }, metricName: 'stationgrid-jobs' },
    scaledObjectRef: { name: '', namespace: '', scalerMetadata: { instance } },
  };
  const empty = method.requestDeserialize(Buffer.alloc(0)) as Record<string, unknown>;
  const request = Object.fromEntries(
    Object.entries(empty).map(([field, byDefault]) => {
      if (field === 'id') return [field, typeof byDefault === 'string' ? ids.call : numberOf(method.path, ids)];
      if (field === 'name' && /Fleet|Units/.test(method.path)) return [field, ''];
      // Whatever is named by its own id is not named by its bot too.
      if (field === 'botId' && 'tokenId' in empty) return [field, ''];
      return [field, values[field] ?? byDefault];
    }),
  );
  return (method as unknown as { requestSerialize: (request: unknown) => Buffer }).requestSerialize(request);
}

const numberOf = (path: string, ids: Ids): bigint => BigInt(path.includes('Device') ? ids.device : ids.job);

function httpDoors(): readonly Door[] {
  return doors.http.routes.map(({ method, url, verb }) => {
    const ask = (about: About) => ({ method, path: pathOf(url, about), body: bodyOf(method, url, about) });
    const hasBody = method !== 'GET' && method !== 'HEAD';
    return {
      name: `${method} ${url}`,
      verb,
      rule: rules[verb],
      knock: (about: About, bearer: string | null) => knockHttp(doors.http.port, ask(about), bearer),
      oversize: (about: About, bearer: string | null) =>
        hasBody
          ? knockHttp(doors.http.port, { ...ask(about), body: 'x'.repeat(doors.home.limits.http.bodyBytesMax) }, bearer)
          : knockHttp(doors.http.port, ask(about), bearer, {
              'x-much': 'x'.repeat(doors.home.limits.http.headerBytesMax),
            }),
      dawdle: (about: About, bearer: string | null) => dawdleHttp(hasty.http.port, ask(about), bearer),
    };
  });
}

const pathOf = (url: string, { instance, ids }: About): string =>
  url
    .replace(':instance', instance)
    .replace('jobs/:id', `jobs/${ids.job}`)
    .replace('devices/:id', `devices/${ids.device}`)
    .replace('calls/:id', `calls/${ids.call}`)
    .replace(':serial', ids.serial)
    .replace(':station', 'FAT')
    .replace(':botId', ids.bot)
    .replace(':path', 'board.conf')
    .replace(':pattern', encodeURIComponent(ids.pattern)) +
  (url.endsWith('/devices')
    ? `?serial=${ids.serial}`
    : url.startsWith('/api/v1/units/')
      ? `?instance=${instance}`
      : '');

const bodyOf = (method: string, url: string, { session, ids }: About): unknown => {
  if (method !== 'POST') return undefined;
  if (url.endsWith('/results'))
    return { session, leaseId: absent.call, results: [{ testId: 'FAT.Probe', status: 'PASSED' }] };
  if (url.endsWith('/notes')) return { note: 'because' };
  if (url.endsWith('/drains')) return { pattern: ids.pattern };
  return url.endsWith('calls/:id/retry') ? {} : { reason: 'because' };
};

type Column = 'no credentials' | 'wrong role' | 'right role' | 'other bot' | 'other instance' | 'oversize' | 'slow';
const columns: readonly Column[] = [
  'no credentials',
  'wrong role',
  'right role',
  'other bot',
  'other instance',
  'oversize',
  'slow',
];

/** Tries a cell; what is not as the table has it is returned in words. */
async function cell(
  door: Door,
  column: Column,
  given: { readonly as: string | null; readonly expected: Verdict | readonly Verdict[]; readonly said: Promise<Said> },
): Promise<readonly string[]> {
  cellCount += 1;
  cells.set(door.name, (cells.get(door.name) ?? new Set()).add(column));
  const { verdict, all: words } = await given.said;
  if ([given.expected].flat().includes(verdict)) return [];
  return [
    `${door.name} as ${given.as ?? 'nobody'}: ${verdict}, not ${[given.expected].flat().join(' or ')}: ${words.slice(0, 300)}`,
  ];
}

const AT_ONCE = 8;

/** Looks at all methods, some at a time, and says what went otherwise than expected. */
const everyDoor = async (look: (door: Door) => Promise<readonly (readonly string[])[]>): Promise<readonly string[]> => {
  const left = [...all];
  const wrong: string[] = [];
  const lookOn = async (): Promise<void> => {
    for (let door = left.pop(); door !== undefined; door = left.pop()) wrong.push(...(await look(door)).flat());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lookOn));
  return wrong;
};

const isOpen = ({ rule }: Door): boolean => rule.of === 'anybody';
/** What a member without the right role, or a bot where none works, is told. */
const outsider = ({ rule }: Door): Verdict => (rule.of === 'known' || rule.of === 'anybody' ? 'passed' : 'forbidden');

test('serves no method that the table does not know, and none is missing here', () => {
  expect(all.filter(({ verb }) => !(verb in rules)).map(({ name }) => name)).toEqual([]);
  const served = new Set(all.map(({ name }) => name.split('/')[1]));
  expect([...served].filter((name) => name?.includes('.')).sort()).toEqual([
    'externalscaler.ExternalScaler',
    'google.devtools.remoteworkers.v1test2.Bots',
    'google.devtools.remoteworkers.v1test2.Reservations',
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'stationgrid.v1.Fleet',
    'stationgrid.v1.Identity',
    'stationgrid.v1.Jobs',
    'stationgrid.v1.Results',
    'stationgrid.v1.Shopfloor',
    'stationgrid.v1.Units',
  ]);
  expect(doors.http.routes.length).toBeGreaterThan(20);
});

test('refuses whoever must not come in, and does nothing for them', { timeout: 60_000 }, async () => {
  const before = await everything();
  const wrong = await everyDoor((door) =>
    Promise.all([
      ...[null, 'sgbot_00000000000000000000000000000000_' + 'A'.repeat(43), 'a.b.c', 'nonsense'].map((bearer) =>
        cell(door, 'no credentials', {
          as: bearer,
          expected: isOpen(door) ? 'passed' : 'unauthenticated',
          said: door.knock(line1, bearer),
        }),
      ),
      ...wrongRoles(door).map((as) =>
        cell(door, 'wrong role', { as, expected: outsider(door), said: door.knock(line1, bearers[as]!) }),
      ),
      cell(door, 'other bot', {
        as: 'bot-2',
        expected: otherBot(door, 'line-1'),
        said: door.knock(line1, bearers['bot-2']!),
      }),
      cell(door, 'other bot', {
        as: 'bot-3',
        expected: otherBot(door, 'line-2'),
        said: door.knock(line1, bearers['bot-3']!),
      }),
      cell(door, 'other instance', {
        as: 'all of line-2',
        // Nothing of an instance is shown where any will do.
        expected: door.rule.of === 'any instance' ? 'passed' : outsider(door),
        said: door.knock(line1, bearers['all of line-2']!),
      }),
    ]),
  );
  expect(wrong).toEqual([]);
  expect(await everything()).toEqual(before);
});

/** Callers of line-1 whose role the rule does not name. */
const wrongRoles = ({ rule }: Door): readonly string[] => {
  const roles: readonly Role[] = ROLES.filter((role) => role !== 'bot' && !rule.roles.includes(role));
  return [...roles.map((role) => `line-1:${role}`), 'no role'];
};

/** A bot of an instance that speaks for bot-1 of line-1. */
const otherBot = (door: Door, instance: string): Verdict => {
  if (door.rule.of === 'instance' && door.rule.roles.includes('bot') && instance === 'line-1') return 'passed';
  if (door.rule.of !== 'own bot') return outsider(door);
  return door.verb === 'create-bot-session' ? 'forbidden' : 'unknown session';
};

test("answers for another bot's session as for one that is not there", async () => {
  const work = all.filter(({ rule, verb }) => rule.of === 'own bot' && verb !== 'create-bot-session');
  expect(work.length).toBeGreaterThanOrEqual(4);
  const asBot2 = bearers['bot-2']!;
  const nowhere = `line-1/${randomUUID()}`;
  for (const door of work) {
    for (const botId of ['bot-1', 'bot-2']) {
      const theirs = await door.knock({ ...line1, botId }, asBot2);
      const none = await door.knock({ ...line1, botId, session: nowhere }, asBot2);
      cells.get(door.name)?.add('other bot');
      cellCount += 1;
      expect(theirs.verdict).toBe('unknown session');
      expect(theirs.all.replaceAll(line1.session, '#')).toBe(none.all.replaceAll(nowhere, '#'));
    }
  }
});

test('answers without a role in an instance as if there were none', async () => {
  const wrong = await everyDoor(async (door) => {
    const [there, nowhere] = await Promise.all([
      door.knock(line1, bearers['all of line-2']!),
      door.knock(
        { ...line1, instance: 'line-9', session: line1.session.replace('line-1', 'line-9') },
        bearers['all of line-2']!,
      ),
    ]);
    cellCount += 1;
    const alike = there.all.replaceAll('line-1', '#') === nowhere.all.replaceAll('line-9', '#');
    return [there.verdict === 'forbidden' && !alike ? [`${door.name}: ${there.all} | ${nowhere.all}`] : []];
  });
  expect(wrong).toEqual([]);
});

test('answers for a thing of another instance as for one that is not there', async () => {
  const asAll = bearers['all of line-1']!;
  // Read and operate alike: nothing of it is done, since it is not there.
  const before = await everything();
  const wrong = await everyDoor(async (door) => {
    if (door.rule.of !== 'instance' || CREATES.has(door.verb)) return [[]];
    const theirs = await door.knock({ ...line1, ids: { ...line2.ids, reservation: 'theirs' } }, asAll);
    const none = await door.knock({ ...line1, ids: absent }, asAll);
    cellCount += 1;
    return [
      blank(theirs.all, { ...line2.ids, reservation: 'theirs' }) === blank(none.all, absent)
        ? []
        : [`${door.name}: ${theirs.all} | ${none.all}`],
    ];
  });
  expect(wrong).toEqual([]);
  expect(await everything()).toEqual(before);
});

/** These make things by name, so a name of another instance is as good as any. */
const CREATES: ReadonlySet<Verb> = new Set<Verb>([
  'enqueue-job',
  'create-reservation',
  'drain-bots',
  'create-bot-token',
]);

/** An answer without the names that were asked for. */
const blank = (text: string, ids: Ids): string =>
  Object.values(ids)
    .toSorted((a, b) => String(b).length - String(a).length)
    .reduce<string>((words, id) => words.replaceAll(String(id), '#').replaceAll(encodeURIComponent(id), '#'), text)
    .replaceAll(/"content-length":"\d+"/g, '');

test('ends what is too big and what never ends, whoever sends it', { timeout: 60_000 }, async () => {
  const callers = [null, '*:admin', 'bot-1'] as const;
  const wrong = await everyDoor((door) =>
    Promise.all(
      callers.flatMap((as) => {
        const bearer = as === null ? null : bearers[as]!;
        // Whoever is refused anyway may be refused before it is read.
        const refusals: readonly Verdict[] = as === null ? ['unauthenticated'] : ['forbidden', 'unknown session'];
        return [
          cell(door, 'oversize', { as, expected: ['too big', ...refusals], said: door.oversize(line1, bearer) }),
          cell(door, 'slow', { as, expected: ['too slow', ...refusals], said: door.dawdle(line1, bearer) }),
        ];
      }),
    ),
  );
  expect(wrong).toEqual([]);
});

test('lets in whoever may', { timeout: 60_000 }, async () => {
  const about = { ...line1, ids: absent };
  const wrong = await everyDoor((door) =>
    Promise.all(
      rightCallers(door).map((as) =>
        cell(door, 'right role', {
          as,
          expected: 'passed',
          said: door.knock(about, as === null ? null : bearers[as]!),
        }),
      ),
    ),
  );
  expect(wrong).toEqual([]);
});

const rightCallers = ({ rule }: Door): readonly (string | null)[] => {
  switch (rule.of) {
    case 'anybody':
      return [null, 'no role', 'bot-3'];
    case 'known':
      return ['no role', 'bot-3'];
    case 'own bot':
      return ['bot-1'];
    case 'instance':
    case 'any instance':
      return rule.roles.flatMap((role) => (role === 'bot' ? ['bot-1', 'bot-2'] : [`line-1:${role}`, `*:${role}`]));
  }
};

test('leaves no cell of the table empty', () => {
  expect(
    columns.flatMap((column) =>
      all.filter(({ name }) => !cells.get(name)?.has(column)).map(({ name }) => `${name}: ${column}`),
    ),
  ).toEqual([]);
});

/** Every row of every table but the audit's, which is to grow. */
async function everything(): Promise<Readonly<Record<string, string>>> {
  const { pool } = doors.home;
  const { rows } = await pool.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'audit' order by 1",
  );
  const contents: Record<string, string> = {};
  for (const { name } of rows) {
    const { rows: found } = await pool.query<{ content: string }>(
      `select coalesce(string_agg(t::text, e'\\n' order by t::text), '') as content from "${name}" t`,
    );
    contents[name] = found[0]!.content;
  }
  return contents;
}
