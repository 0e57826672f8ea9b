/** A farm that does what a test says: as a transport in process, or as a real gRPC server. */
import { Server, ServerCredentials, status, type handleUnaryCall } from '@grpc/grpc-js';
import type { Answer, Transport } from '../../bot/transport.ts';
import {
  BotSession,
  BotsService,
  Lease,
  LeaseState,
  type CreateBotSessionRequest,
  type PostBotEventTempRequest,
  type UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ResultsService, type ReportTestResultsRequest } from '../../src/gen/stationgrid/v1/results.ts';
import { StationResult, StationWork, type DeepPartial } from '../../src/gen/stationgrid/v1/work.ts';

/** A CreateBotSession or UpdateBotSession that waits for the test's answer. */
export type SessionCall = {
  readonly kind: 'create' | 'update';
  readonly session: BotSession;
  readonly deadlineMs: number;
  readonly reply: (leases?: readonly Lease[], name?: string) => void;
  readonly fail: (code: number, message?: string) => void;
};

export class ScriptedFarm {
  readonly events: PostBotEventTempRequest[] = [];
  readonly reports: ReportTestResultsRequest[] = [];
  /** What the next reports of results get. */
  reportAnswer: { code: number } | { fenced: boolean } = { fenced: false };
  readonly #calls: SessionCall[] = [];
  readonly #waiting: ((call: SessionCall) => void)[] = [];

  /** The next session call, in the order in which they came. */
  next(): Promise<SessionCall> {
    const call = this.#calls.shift();
    return call === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(call);
  }

  readonly transport: Transport = {
    createBotSession: (request, { deadlineMs, signal }) => this.#ask('create', request, deadlineMs, signal),
    updateBotSession: (request, { deadlineMs, signal }) => this.#ask('update', request, deadlineMs, signal),
    postBotEvent: (request) => Promise.resolve(this.#event(request)),
    reportTestResults: (request) => Promise.resolve(this.#report(request)),
    close: () => undefined,
  };

  /** Serves the same script on a socket. */
  async serve(address = '127.0.0.1:0'): Promise<{ address: string; stop: () => void }> {
    const server = new Server();
    const { createBotSession, updateBotSession, postBotEvent, reportTestResults } = this.transport;
    server.addService(BotsService, {
      createBotSession: toHandler(createBotSession),
      updateBotSession: toHandler(updateBotSession),
      postBotEventTemp: toHandler(postBotEvent),
    });
    server.addService(ResultsService, {
      reportTestResults: toHandler(reportTestResults),
      listTestResults: toHandler(() => Promise.resolve({ kind: 'failed', code: 12, message: '' })),
      annotateResults: toHandler(() => Promise.resolve({ kind: 'failed', code: 12, message: '' })),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
  }

  #ask(
    kind: SessionCall['kind'],
    request: CreateBotSessionRequest | UpdateBotSessionRequest,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Answer<BotSession>> {
    const session = request.botSession!;
    return new Promise((resolve) => {
      const fail = (code: number, message = ''): void => resolve({ kind: 'failed', code, message });
      const reply: SessionCall['reply'] = (leases = [], name = session.name || 'line/1') =>
        resolve({ kind: 'answered', reply: { ...session, name, leases } });
      const call = { kind, session, deadlineMs, reply, fail };
      const cut = (): void => {
        // A call that was cut before the test looked at it is no news to the test.
        if (this.#calls.includes(call)) this.#calls.splice(this.#calls.indexOf(call), 1);
        fail(status.CANCELLED);
      };
      signal.addEventListener('abort', cut, { once: true });
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#calls.push(call);
      else waiting(call);
    });
  }

  #event(request: PostBotEventTempRequest): Answer<unknown> {
    this.events.push(request);
    return { kind: 'answered', reply: {} };
  }

  #report(request: ReportTestResultsRequest) {
    this.reports.push(request);
    if ('code' in this.reportAnswer) return { kind: 'failed', code: this.reportAnswer.code, message: '' } as const;
    const reply = { stored: request.results.length, repeated: 0, stale: 0, fenced: this.reportAnswer.fenced };
    return { kind: 'answered', reply } as const;
  }
}

const toHandler =
  <Request, Reply>(
    call: (request: Request, bounds: { deadlineMs: number; signal: AbortSignal }) => Promise<Answer<Reply>>,
  ): handleUnaryCall<Request, Reply> =>
  (incoming, respond) => {
    const cut = new AbortController();
    incoming.on('cancelled', () => cut.abort());
    void call(incoming.request, { deadlineMs: 0, signal: cut.signal }).then((answer) => {
      if (answer.kind === 'answered') respond(null, answer.reply);
      // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- a test may answer any number.
      else respond({ code: answer.code, details: answer.message });
    });
  };

export const pending = (id: string, work: DeepPartial<StationWork>): Lease =>
  Lease.create({
    id,
    state: LeaseState.PENDING,
    payload: {
      typeUrl: 'type.googleapis.com/stationgrid.v1.StationWork',
      value: Buffer.from(StationWork.encode(StationWork.create(work)).finish()),
    },
  });

export const active = (id: string): Lease => Lease.create({ id, state: LeaseState.ACTIVE });
export const cancelled = (id: string): Lease => Lease.create({ id, state: LeaseState.CANCELLED });

/** A report as a test reads it: `L1 ACTIVE`, `L1 COMPLETED 14`. */
export const told = (session: BotSession): string[] =>
  session.leases.map(({ id, state, status: ending }) => {
    const name = Object.entries(LeaseState).find(([, number]) => number === state)?.[0] ?? '?';
    return `${id} ${name}${ending === undefined ? '' : ` ${ending.code}`}`;
  });

export const stationResult = (session: BotSession): StationResult =>
  StationResult.decode(session.leases[0]!.result!.value);
