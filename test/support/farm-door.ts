/** Asks a farm from outside, over its gRPC door, as a scheduler would. */
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { Duration } from '../../src/gen/google/protobuf/duration.ts';
import { type Bot, FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { EnqueueJobRequest, type Job, JobsService, JobState, OnFailed } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type Call, CallState, ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { readPages } from '../../src/cli/connect.ts';
import { expect } from 'vitest';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';
import { eventually } from './farm-site.ts';

export const LINE = 'line-1';
export const MLB = 'serials.mlb_serial_number';

type Method<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

export type FarmDoor = ReturnType<typeof openFarmDoor>;

/** Outlasts the farm behind it: a call waits until the farm is there again. */
const CALL_MS = 20_000;
const channel = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 };

export function openFarmDoor({ address, log }: { readonly address: string; readonly log?: () => string }) {
  const client = new Client(address, credentials.createInsecure(), channel);
  const ask = <Q, R>(method: Method<Q, R>, request: Q): Promise<R> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata({ waitForReady: true }),
        { deadline: Date.now() + CALL_MS },
        (error, reply) => {
          if (error === null) resolve(reply!);
          else reject(error.code === status.INTERNAL ? new Error(`${error.message}\n${log?.() ?? ''}`) : error);
        },
      );
    });
  const getJob = (id: bigint): Promise<Job> => ask(JobsService.getJob, { instance: LINE, id });
  const calls = async (): Promise<readonly Call[]> => {
    const all = { instance: LINE, states: [], serial: '', jobId: 0n };
    const { entries } = await readPages(
      0,
      (page) => ask(ShopfloorService.listCalls, { ...all, ...page }),
      (reply) => reply.calls,
    );
    return entries;
  };
  return {
    ask,
    getJob,
    calls,
    enqueue: (job: JobToRun): Promise<Job> => ask(JobsService.enqueueJob, requestOf(job)),
    enqueueAll: async (jobs: readonly JobToRun[]): Promise<readonly Job[]> =>
      (await ask(JobsService.batchEnqueueJobs, { requests: jobs.map(requestOf) })).jobs,
    getBot: (botId: string): Promise<Bot> => ask(FleetService.getBot, { instance: LINE, botId }),
    explain: (id: bigint) => ask(JobsService.explainJob, { instance: LINE, id }),
    jobs: async (): Promise<readonly Job[]> => {
      const all = { instance: LINE, states: [], station: '', route: '', serial: '' };
      const { entries } = await readPages(
        0,
        (page) => ask(JobsService.listJobs, { ...all, ...page }),
        (reply) => reply.jobs,
      );
      return [...entries].sort((a, b) => Number(a.id - b.id));
    },
    /** The job, once it is in this state. */
    jobIn: (id: bigint, state: JobState): Promise<Job> =>
      eventually(async () => {
        const job = await getJob(id);
        expect(nameOf(JobState, job.state)).toBe(nameOf(JobState, state));
        return job;
      }),
    /** All calls, once none is owed any more. */
    settledCalls: (): Promise<readonly Call[]> =>
      eventually(async () => {
        const all = await calls();
        expect(all.filter(({ state }) => state === CallState.OWED).map(({ lastError }) => lastError)).toEqual([]);
        return all;
      }),
    close: (): void => client.close(),
  };
}

const nameOf = (names: object, value: unknown): string | undefined =>
  Object.entries(names).find(([, own]) => own === value)?.[0];

export interface JobToRun {
  readonly station: string;
  /** Of the DUT's main board; absent: for any bot. */
  readonly board?: string;
  readonly route?: string;
  readonly onFailed?: 'stop' | 'continue';
  readonly requestedBotId?: string;
  /** Said again with the same one, it is enqueued once. */
  readonly requestId?: string;
  readonly constraints?: readonly { readonly key: string; readonly allowedValues: readonly string[] }[];
  /** What the simulated station makes of its one test; a foreign payload instead, where given. */
  readonly ms?: number;
  readonly outcome?: 'PASSED' | 'FAILED';
  readonly payload?: { readonly typeUrl: string; readonly value: Buffer };
}

export const testIdOf = (station: string): string => `generic_main:${station}.Probe`;

function requestOf(job: JobToRun): EnqueueJobRequest {
  const { station, board, route = '', onFailed = 'stop', requestedBotId = '', constraints = [] } = job;
  const { ms = 50, outcome = 'PASSED', payload, requestId = '' } = job;
  const test = {
    testId: testIdOf(station),
    run: { $case: 'handler' as const, value: 'simulate' },
    timeout: Duration.fromPartial({ seconds: 60n }),
    args: { durationMs: ms, outcome },
  };
  return EnqueueJobRequest.fromPartial({
    requestId,
    job: {
      instance: LINE,
      station: payload === undefined ? station : '',
      serials: board === undefined ? {} : { [MLB]: board },
      route,
      onFailed: onFailed === 'stop' ? OnFailed.STOP : OnFailed.CONTINUE,
      requestedBotId,
      constraints: constraints.map(({ key, allowedValues }) => ({ key, allowedValues: [...allowedValues] })),
      task:
        payload === undefined
          ? { $case: 'work', value: { station, tests: [test] } }
          : { $case: 'payload', value: payload },
    },
  });
}

/**
 * Nothing lost, nothing out of order, nothing too often: each lane's calls stand in the partner's journal exactly, in the
 * lane's order; and only calls that the farm knows to be ambiguous came more than once.
 */
export function expectToldInOrder(calls: readonly Call[], journal: readonly JournalLine[]): void {
  const applied = journal.filter(({ outcome }) => outcome === 'applied');
  const inOrder = [...calls].sort((a, b) => Number(a.position - b.position));
  for (const deviceId of new Set(calls.map((call) => call.deviceId))) {
    const lane = inOrder.filter((call) => call.deviceId === deviceId && call.state === CallState.DELIVERED);
    const keys = new Set(lane.map(({ id }) => id));
    const told = applied.filter(({ key }) => key !== null && keys.has(key));
    expect(told.map(said)).toEqual(lane.map((call) => `${call.id} ${call.method} ${call.testId}`));
  }
  expect(applied).toHaveLength(calls.filter(({ state }) => state === CallState.DELIVERED).length);
  const ambiguous = new Set(calls.filter((call) => call.possiblyDuplicated && call.sends > 1).map(({ id }) => id));
  const strange = journal.filter(({ outcome, key }) => outcome === 'repeated' && !ambiguous.has(key ?? ''));
  // Shown with what the farm knows of them.
  expect(strange.map((line) => ({ line, call: calls.find(({ id }) => id === line.key) }))).toEqual([]);
}

const said = ({ key, method, testId }: JournalLine): string => `${key ?? ''} ${method} ${testId ?? ''}`;
