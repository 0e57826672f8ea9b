/** The gRPC door of a whole farm on a real database, and a bare client of it that follows the generated definitions. */
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../../src/core/clock.ts';
import type { Limits } from '../../../src/core/limits.ts';
import type { Line } from '../../../src/core/line.ts';
import type { Home } from '../../../src/farm/home.ts';
import type { Identify } from '../../../src/farm/identify.ts';
import { openHome } from '../../../src/farm/open-home.ts';
import { stopHome } from '../../../src/farm/stop-home.ts';
import { Ticker } from '../../../src/farm/ticker.ts';
import type { CallWitness } from '../../../src/fronts/grpc/port.ts';
import type { Entrance } from '../../../src/listen/keep-door.ts';
import type { BotsOptions } from '../../../src/fronts/grpc/bots.ts';
import { type GrpcDoor, serveGrpc } from '../../../src/fronts/grpc/serve-grpc.ts';
import {
  BotSession,
  BotsService,
  BotStatus,
  CreateBotSessionRequest,
  type Lease,
  LeaseState,
  UpdateBotSessionRequest,
} from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ErrorInfo, RetryInfo } from '../../../src/gen/google/rpc/error_details.ts';
import { Status } from '../../../src/gen/google/rpc/status.ts';
import { EnqueueJobRequest, type Job, JobsService } from '../../../src/gen/stationgrid/v1/jobs.ts';
import { StationResult, TestStatus } from '../../../src/gen/stationgrid/v1/work.ts';
import { type FreshDatabase, freshDatabase } from '../../support/database.ts';
import { openAdmission } from '../../support/admission.ts';
import { plainEntrance } from '../../support/plain-entrance.ts';
import { createTestFarm, type TestFarm } from '../../support/farm.ts';

export type Method<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

export type TestClient = {
  /** Rejects with grpc-js' own error. No deadline unless one is given, as many clients in the field have none. */
  readonly call: <Q, R>(method: Method<Q, R>, request: Q, options?: { readonly deadlineMs?: number }) => Promise<R>;
  readonly grpc: Client;
};

export type TestDoor = TestClient & {
  readonly database: FreshDatabase;
  readonly farm: TestFarm;
  readonly home: Home;
  readonly door: GrpcDoor;
  readonly logged: { readonly level: string; readonly facts: object; readonly words: string }[];
  readonly counted: { readonly method: string; readonly code: number }[];
  readonly close: () => Promise<void>;
};

export type DoorOptions = {
  readonly lines?: readonly Line[];
  readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
  readonly bots?: Partial<BotsOptions>;
  readonly clock?: Clock;
  /** Plain unless this says otherwise. */
  readonly entrance?: Entrance;
  /** Nobody is asked for credentials unless this says so. */
  readonly identify?: Identify;
  /** Is told what the audit is told. */
  readonly told?: string[];
};

/** Idle polls are held this long, so that tests need not wait and no call needs a deadline. */
export const HOLD_MS = 400;

export async function openDoor(options: DoorOptions = {}): Promise<TestDoor> {
  const database = await freshDatabase();
  const logged: { level: string; facts: object; words: string }[] = [];
  const say = (level: string) => (facts: object, words: string) => void logged.push({ level, facts, words });
  const farm: TestFarm = {
    ...createTestFarm({
      database,
      ...(options.lines === undefined ? {} : { lines: options.lines }),
      ...(options.clock === undefined ? {} : { clock: options.clock }),
      limits: { poll: { holdMaxMs: HOLD_MS }, ...options.limits, replica: { tickMs: 100, ...options.limits?.replica } },
    }),
    log: { info: say('info'), warn: say('warn'), error: say('error') },
  };
  const home = openHome(farm);
  const ticker = new Ticker(home, () => undefined);
  await ticker.start();
  const counted: { method: string; code: number }[] = [];
  const nothing = () => undefined;
  const metrics: CallWitness = {
    started: nothing,
    received: nothing,
    sent: nothing,
    handled: ({ method }, { code }) => counted.push({ method, code }),
  };
  const door = await serveGrpc({
    home,
    address: { host: '127.0.0.1', port: 0 },
    entrance: options.entrance ?? plainEntrance(farm.limits.doors),
    bots: { recordBotEvents: true, echoPayload: 'until-completed', ...options.bots },
    metrics,
    admission: openAdmission(home, options),
  });
  door.setServing(true);
  const client = connect(door.address);
  return {
    ...client,
    database,
    farm,
    home,
    door,
    logged,
    counted,
    close: async () => {
      client.grpc.close();
      await stopHome(home);
      await door.stop();
      await ticker.stop();
      await database.drop();
    },
  };
}

export function connect(address: string): TestClient {
  const grpc = new Client(address, credentials.createInsecure());
  return {
    grpc,
    call: <Q, R>(method: Method<Q, R>, request: Q, { deadlineMs }: { deadlineMs?: number } = {}): Promise<R> =>
      new Promise((resolve, reject) => {
        grpc.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          new Metadata(),
          deadlineMs === undefined ? {} : { deadline: new Date(Date.now() + deadlineMs) },
          (error, reply) => {
            if (error === null) resolve(reply!);
            else reject(error);
          },
        );
      }),
  };
}

export type Refused = {
  readonly code: number;
  readonly words: string;
  readonly reason: string | null;
  readonly domain: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryMs: number | null;
};

/** What a call that must fail was answered, details and all. */
export async function refusedBy(call: Promise<unknown>): Promise<Refused> {
  const error = await call.then(
    (reply) => Promise.reject(new Error(`the call was answered: ${String(reply)}`)),
    (refusal: unknown) => refusal as ServiceError,
  );
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = bytes instanceof Buffer ? Status.decode(bytes).details : [];
  const valueOf = (name: string) => details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${name}`))?.value;
  const info = valueOf('ErrorInfo');
  const retry = valueOf('RetryInfo');
  const told = info === undefined ? null : ErrorInfo.decode(info);
  const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
  return {
    code: error.code,
    words: error.details,
    reason: told?.reason ?? null,
    domain: told?.domain ?? null,
    metadata: told?.metadata ?? {},
    retryMs: delay === undefined ? null : Number(delay.seconds) * 1000,
  };
}

type Partial_<T> = { readonly [K in keyof T]?: unknown };

/** A bot session as a simple client sends it. */
export const session = (changes: Partial_<BotSession> = {}): BotSession =>
  BotSession.create({ botId: 'bot-1', status: BotStatus.OK, ...changes } as Parameters<typeof BotSession.create>[0]);

export const create = (door: TestClient, changes: Partial_<BotSession> = {}, parent = 'line-1'): Promise<BotSession> =>
  door.call(BotsService.createBotSession, CreateBotSessionRequest.create({ parent, botSession: session(changes) }));

/** Sends the session as it is, under its own name. */
export const update = (
  door: TestClient,
  botSession: BotSession,
  options: { readonly deadlineMs?: number } = {},
): Promise<BotSession> =>
  door.call(
    BotsService.updateBotSession,
    UpdateBotSessionRequest.create({ name: botSession.name, botSession }),
    options,
  );

/** The same session with its leases in another state. */
export const showing = (botSession: BotSession, state: LeaseState, changes: Partial<Lease> = {}): BotSession => ({
  ...botSession,
  leases: botSession.leases.map((lease) => ({ ...lease, state, ...changes })),
});

export const enqueue = (door: TestClient, job: object = {}): Promise<Job> =>
  door.call(
    JobsService.enqueueJob,
    EnqueueJobRequest.create({
      job: {
        instance: 'line-1',
        task: { $case: 'work', value: { station: 'FAT', tests: [{ testId: 'FAT.Probe' }] } },
        ...job,
      },
    }),
  );

export const getJob = (door: TestClient, id: bigint): Promise<Job> =>
  door.call(JobsService.getJob, { instance: 'line-1', id });

/** The result of a lease whose tests ended so. */
export const stationResult = (statuses: Readonly<Record<string, TestStatus>> = { 'FAT.Probe': TestStatus.PASSED }) => ({
  typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
  value: Buffer.from(
    StationResult.encode(
      StationResult.create({ results: Object.entries(statuses).map(([testId, status]) => ({ testId, status })) }),
    ).finish(),
  ),
});

export { BotStatus, LeaseState };
