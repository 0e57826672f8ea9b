/** Calls that wait while their caller's credentials end: they are answered then, and not with what they waited for. */
import http from 'node:http';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { Refusal } from '../../src/core/refusal.ts';
import { revokeBotToken } from '../../src/farm/revoke-bot-token.ts';
import {
  BotSession,
  BotsService,
  CreateBotSessionRequest,
  UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import {
  CreateReservationRequest,
  ReservationsService,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { EnqueueJobRequest, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { openSecuredDoors, type SecuredDoors } from './secured-doors.ts';

const open: SecuredDoors[] = [];
afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});

async function openDoors(...given: Parameters<typeof openSecuredDoors>): Promise<SecuredDoors> {
  const doors = await openSecuredDoors(...given);
  open.push(doors);
  return doors;
}

type Rpc<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

const bearing = (bearer: string): Metadata => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${bearer}`);
  return metadata;
};

function asker(doors: SecuredDoors, bearer: string) {
  const client = new Client(doors.grpc.address, credentials.createInsecure());
  return {
    client,
    ask: <Q, R>(method: Rpc<Q, R>, request: Q): Promise<R> =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = method;
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          bearing(bearer),
          (error, reply) => {
            if (error === null) resolve(reply!);
            else reject(error);
          },
        );
      }),
  };
}

const errorOf = async (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    (reply) =>
      Promise.reject(new Error(`was answered: ${JSON.stringify(reply, (_, value: unknown) => String(value))}`)),
    (error: unknown) => error as ServiceError,
  );

const enqueueRequest = (station = 'FAT') =>
  EnqueueJobRequest.create({
    job: { instance: 'line-1', task: { $case: 'work', value: { station, tests: [{ testId: 'T' }] } } },
  } as object);

test('a revoked token ends the poll that is parked under it, and what comes after gets nothing', async () => {
  const doors = await openDoors({ poll: { holdMaxMs: 60_000 } });
  const token = await doors.botToken('line-1', 'bot-1');
  const bot = asker(doors, token);
  const botSession = await bot.ask(
    BotsService.createBotSession,
    CreateBotSessionRequest.create({ parent: 'line-1', botSession: BotSession.create({ botId: 'bot-1', status: 1 }) }),
  );
  const parked = errorOf(
    bot.ask(BotsService.updateBotSession, UpdateBotSessionRequest.create({ name: botSession.name, botSession })),
  );
  await expect.poll(() => doors.home.sessions.parked, { timeout: 20_000 }).toBe(1);
  await revokeBotToken(doors.home, { instance: 'line-1', botId: 'bot-1', tokenId: '' }, 'test');
  const { code, details } = await parked;
  expect([code, details]).toEqual([16, expect.stringContaining('revoked')]);
  const again = bot.ask(
    BotsService.updateBotSession,
    UpdateBotSessionRequest.create({ name: botSession.name, botSession }),
  );
  expect((await errorOf(again)).code).toBe(16);
  bot.client.close();
});

test('watches and waits end with the credentials they were begun with', async () => {
  const over = new AbortController();
  const reason = new Refusal('UNAUTHENTICATED', 'JWT_EXPIRED', 'The token has expired. Get another.');
  const doors = await openDoors({}, () =>
    Promise.resolve({
      principal: { kind: 'member', name: 'member:m', grants: [{ instance: 'line-1', role: 'admin' }] },
      until: over.signal,
    }),
  );
  const person = asker(doors, 'whatever');
  const job = await person.ask(JobsService.enqueueJob, enqueueRequest());
  const { name } = await person.ask(
    ReservationsService.createReservation,
    CreateReservationRequest.create({
      parent: 'line-1',
      reservation: {
        name: 'line-1/reservations/r',
        payload: { typeUrl: 'x/y', value: Buffer.alloc(0) },
        matchTimeout: { seconds: 3600n, nanos: 0 },
      },
    }),
  );
  const waiting = errorOf(person.ask(ReservationsService.getReservation, { name, waitSeconds: 60n }));
  const { path, requestSerialize, responseDeserialize } = JobsService.watchJob;
  const watched = { instance: 'line-1', id: job.id, cursor: '' };
  const watch = person.client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    watched,
    bearing('x'),
  );
  const watchEnd = new Promise<ServiceError>((resolve) => watch.on('error', (error) => resolve(error as ServiceError)));
  await new Promise((resolve) => watch.once('data', resolve));
  const lines = await readLines(doors.http.port, `/api/v1/instances/line-1/jobs/${job.id}/watch`);
  over.abort(reason);
  for (const error of [await waiting, await watchEnd]) {
    expect([error.code, error.details]).toEqual([16, reason.message]);
  }
  const last = JSON.parse((await lines.rest).trim().split('\n').at(-1)!) as { problem: object };
  expect(last.problem).toMatchObject({ status: 401, reason: 'JWT_EXPIRED', detail: reason.message });
  person.client.close();
});

test('what was done before the credentials ended is said to be done', async () => {
  const over = new AbortController();
  const doors = await openDoors({}, () =>
    Promise.resolve({
      principal: { kind: 'member', name: 'member:m', grants: [{ instance: 'line-1', role: 'admin' }] },
      until: over.signal,
    }),
  );
  const person = asker(doors, 'whatever');
  // It ends while the job is enqueued, that is, before the answer.
  const unhear = doors.home.onWake(() => over.abort());
  expect((await person.ask(JobsService.enqueueJob, enqueueRequest())).station).toBe('FAT');
  unhear();
  expect(over.signal.aborted).toBe(true);
  person.client.close();
});

test('one caller with too many calls is told when to come again, in both doors, and no other caller is', async () => {
  const doors = await openDoors({ principals: { callsPerSecond: 1e-6, burst: 2 } });
  const [eager, calm] = await Promise.all(['eager', 'calm'].map((name) => doors.memberToken(name, ['line-1:viewer'])));
  const list = { instance: 'line-1', states: [], station: '', route: '', serial: '', pageSize: 0, pageToken: '' };
  const caller = asker(doors, eager!);
  await caller.ask(JobsService.listJobs, list);
  await caller.ask(JobsService.listJobs, list);
  expect(await errorOf(caller.ask(JobsService.listJobs, list))).toMatchObject({
    code: 8,
    details: expect.stringMatching(/member:eager calls more often than .* Call again after \d+ ms/),
  });
  const path = '/api/v1/instances/line-1/jobs';
  const refused = await get(doors.http.port, path, eager!);
  expect(refused.statusCode).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
  expect((await get(doors.http.port, path, calm!)).statusCode).toBe(200);
  caller.client.close();
});

const get = (port: number, path: string, bearer: string): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${bearer}` };
    http
      .get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => resolve(response.resume()))
      .on('error', reject);
  });

/** Resolves with the first line there; `rest`: all that comes until the end. */
const readLines = (port: number, path: string): Promise<{ readonly rest: Promise<string> }> =>
  new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      const rest = new Promise<string>((end) => response.once('end', () => end(text)));
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        resolve({ rest });
      });
    });
    request.on('error', reject);
  });
