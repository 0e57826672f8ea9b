/** Bots that are known by their certificates, on a real TLS door: whom each may be, and until when. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  BotSession,
  BotsService,
  CreateBotSessionRequest,
  PostBotEventTempRequest,
  UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ReportTestResultsRequest, ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import { expired, type Issued, openAuthority, writeIssued } from '../support/certificates.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { openSecuredDoors, type SecuredDoors } from './secured-doors.ts';

const FARM = 'farm.example';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const bots = openAuthority('the bots');
const server = openAuthority('the farm');
const clock = createManualClock(new Date());
let folder: string;
let doors: SecuredDoors;
const clients: Client[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-certified-'));
  const clientAuthorities = join(folder, 'bots.pem');
  writeFileSync(clientAuthorities, bots.certificate);
  const tls = { ...writeIssued(folder, 'farm', server.server()), clientAuthorities };
  doors = await openSecuredDoors({ poll: { holdMaxMs: 10 * 60_000 } }, undefined, { farm: FARM, tls, clock });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(async () => {
  await doors.close();
  rmSync(folder, { recursive: true });
});

type Rpc<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

/** Calls over one connection, which shows the certificate. */
function showing(shown: Issued | null, bearer: string | null = null) {
  const [key, certificate] = shown === null ? [null, null] : [Buffer.from(shown.key), Buffer.from(shown.certificate)];
  const trusted = credentials.createSsl(Buffer.from(server.certificate), key, certificate);
  const client = new Client(doors.grpc.address, trusted, { 'grpc.ssl_target_name_override': 'localhost' });
  clients.push(client);
  const metadata = new Metadata();
  if (bearer !== null) metadata.set('authorization', `Bearer ${bearer}`);
  const ask = <Q, R>({ path, requestSerialize, responseDeserialize }: Rpc<Q, R>, request: Q): Promise<R> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, reply) => {
        if (error === null) resolve(reply!);
        else reject(error);
      });
    });
  return {
    create: (parent: string, botId: string): Promise<BotSession> => {
      const botSession = BotSession.create({ botId, status: 1 });
      return ask(BotsService.createBotSession, CreateBotSessionRequest.create({ parent, botSession }));
    },
    update: (botSession: BotSession): Promise<BotSession> =>
      ask(BotsService.updateBotSession, UpdateBotSessionRequest.create({ name: botSession.name, botSession })),
    post: (name: string) =>
      ask(BotsService.postBotEventTemp, PostBotEventTempRequest.create({ name, type: 1, msg: 'hello' })),
    report: (session: string) =>
      ask(ResultsService.reportTestResults, ReportTestResultsRequest.create({ session, leaseId: randomUUID() })),
  };
}

const certified = (instance: string, botId: string, wanted: Parameters<typeof bots.bot>[1] = {}): Issued =>
  bots.bot({ farm: FARM, instance, botId }, wanted);

const errorOf = async (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as ServiceError,
  );

/** All that an error tells its caller. */
const told = ({ code, details, metadata }: ServiceError): string => {
  const said = Object.entries(metadata.getMap()).filter(([name]) => name !== 'date');
  return [
    code,
    details,
    ...said.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : value.toString('latin1')}`),
  ].join('\n');
};

const sessionsOf = async (botId: string): Promise<number> => {
  const { rowCount } = await doors.database.pool.query('select from bot_sessions where bot_id = $1', [botId]);
  return rowCount ?? 0;
};

const parkedOne = () => expect.poll(() => doors.home.sessions.parked, { timeout: 20_000 }).toBe(1);

test.for([
  ['line-1', 'fat-1'],
  ['', 'without an instance'],
  ['line-2', 'dut/7, "left"'],
] as const)('the bot of the certificate works: instance "%s", %s', async ([instance, botId]) => {
  const bot = showing(certified(instance, botId));
  const session = await bot.create(instance, botId);
  expect(session.name.split('/')[0]).toBe(instance);
  const parked = bot.update(session);
  await parkedOne();
  // A newer call of its own answers the older.
  const { status: newer } = await bot.update({ ...session, status: 4 });
  expect([(await parked).name, newer]).toEqual([session.name, 4]);
});

test('it may be no other bot, and none of another instance', async () => {
  const bot = showing(certified('line-1', 'fat-2'));
  for (const [instance, botId] of [
    ['line-1', 'fat-3'],
    ['line-2', 'fat-2'],
    ['', 'fat-2'],
  ] as const) {
    const { code, details } = await errorOf(bot.create(instance, botId));
    expect([code, details]).toEqual([status.PERMISSION_DENIED, expect.stringContaining('may speak only as "fat-2"')]);
  }
  expect([await sessionsOf('fat-2'), await sessionsOf('fat-3')]).toEqual([0, 0]);
});

test("another's session is to it, to the letter, one that is not there", async () => {
  const owner = await showing(certified('line-1', 'owner')).create('line-1', 'owner');
  const elsewhere = await showing(certified('line-2', 'owner')).create('line-2', 'owner');
  const bot = showing(certified('line-1', 'curious'));
  await bot.create('line-1', 'curious');
  for (const theirs of [owner, elsewhere]) {
    const none = { ...theirs, name: `${theirs.name.split('/')[0] ?? ''}/${randomUUID()}` };
    for (const ask of [
      ({ name }: BotSession) => bot.post(name),
      ({ name }: BotSession) => bot.report(name),
      (session: BotSession) => bot.update(session),
      // Also where it says of itself that it is itself.
      (session: BotSession) => bot.update({ ...session, botId: 'curious' }),
    ]) {
      const [ofTheirs, ofNone] = [await errorOf(ask(theirs)), await errorOf(ask(none))];
      expect(ofTheirs.code).toBe(status.INVALID_ARGUMENT);
      expect(told(ofTheirs).replaceAll(theirs.name, '#')).toBe(told(ofNone).replaceAll(none.name, '#'));
      expect(ofTheirs.details).toContain(theirs.name);
    }
  }
});

test.for<[string, () => Issued]>([
  ['has expired', () => certified('line-1', 'outside', expired())],
  [
    'somebody else has signed',
    () => openAuthority('somebody').bot({ farm: FARM, instance: 'line-1', botId: 'outside' }),
  ],
])('a certificate that %s gets no connection', async ([, issue]) => {
  const { code } = await errorOf(showing(issue()).create('line-1', 'outside'));
  expect(code).toBe(status.UNAVAILABLE);
  expect(await sessionsOf('outside')).toBe(0);
});

test.for<[string, () => Issued | null, string]>([
  ['no certificate', () => null, 'showed nothing'],
  ['one of another farm', () => bots.bot({ farm: 'another.example', instance: 'line-1', botId: 'outside' }), 'domain'],
  ['one with two names', () => bots.issue({ uris: ['line-1', 'line-2'].map(spiffe) }), 'more than one URI'],
  ['one that names nobody', () => bots.issue({ dnsNames: ['outside.example'] }), 'showed nothing'],
])('with %s nobody is let in', async ([, issue, why]) => {
  const { code, details } = await errorOf(showing(issue()).create('line-1', 'outside'));
  expect([code, details]).toEqual([status.UNAUTHENTICATED, expect.stringContaining(why)]);
  expect(await sessionsOf('outside')).toBe(0);
});
const spiffe = (instance: string): string => `spiffe://${FARM}/instance/${instance}/bot/outside`;

test('a token beside it is of the same bot, or nobody is let in', async () => {
  const certificate = certified('line-1', 'both');
  const session = await showing(certificate, await doors.botToken('line-1', 'both')).create('line-1', 'both');
  expect(session.botId).toBe('both');
  const other = showing(certificate, await doors.botToken('line-1', 'not both'));
  expect((await errorOf(other.create('line-1', 'both'))).code).toBe(status.UNAUTHENTICATED);
});

test('a poll that is parked when its certificate ends is ended then, and the connection lets nobody in any more', async () => {
  const bot = showing(certified('line-1', 'ending', { validTo: new Date(clock.now().getTime() + HOUR_MS) }));
  const session = await bot.create('line-1', 'ending');
  const poll = errorOf(bot.update(session));
  await parkedOne();
  await clock.advance(HOUR_MS);
  const { code, details } = await poll;
  expect([code, details]).toEqual([
    status.UNAUTHENTICATED,
    expect.stringContaining('certificate of this connection has'),
  ]);
  expect(doors.home.sessions.parked).toBe(0);
  expect((await errorOf(bot.update(session))).code).toBe(status.UNAUTHENTICATED);
  // The session goes on, once it comes with a new one.
  const renewed = showing(certified('line-1', 'ending', { validTo: new Date(clock.now().getTime() + DAY_MS) }));
  expect((await renewed.update({ ...session, status: 4 })).name).toBe(session.name);
});
