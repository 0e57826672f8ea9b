/** The generator does not wait for the farm: not to send, and not to begin counting. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { type Connections, openConnections } from '../../src/cli/load/connections.ts';
import { type Plan, planOf } from '../../src/cli/load/plan.ts';
import { createScoreboard } from '../../src/cli/load/scoreboard.ts';
import { submit, type SubmitWitness } from '../../src/cli/load/submit.ts';
import { createRequests } from '../../src/cli/load/work.ts';
import { type EnqueueJobRequest, Job, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { processClock } from '../../src/process-clock.ts';
import { createManualClock } from '../support/manual-clock.ts';

type Handle = (request: EnqueueJobRequest, answer: sendUnaryData<Job>) => void;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A farm that only takes jobs, as it likes; and the way to it. */
const serve = async (handle: Handle): Promise<Connections> => {
  const server = new Server();
  server.addService(
    { enqueueJob: JobsService.enqueueJob },
    {
      enqueueJob: (call: ServerUnaryCall<EnqueueJobRequest, Job>, answer: sendUnaryData<Job>) =>
        handle(call.request, answer),
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const connections = openConnections({ servers: [`127.0.0.1:${port}`], connections: 1 }, {});
  closing.push(
    () => connections.close(),
    () => server.forceShutdown(),
  );
  return connections;
};

const plan: Plan = planOf(
  {
    ...{ server: '127.0.0.1:50051', instance: 'load', output: 'table', station: 'LOAD', results: 'live' },
    ...{ bots: 1, rate: 50, duration: 1000, shape: 'steady', period: 1000, tests: 1, runMs: 1, settle: 1000 },
  },
  'run',
);

const send = async (connections: Connections, witness: Partial<SubmitWitness>): Promise<void> => {
  const nobody = {
    sent: () => undefined,
    enqueued: () => undefined,
    refused: () => undefined,
    failed: () => undefined,
  };
  await submit({
    ...{ connections, clock: processClock, random: () => 0, jobs: plan.jobs, dueMs: () => 0 },
    ...{ requestOf: createRequests(plan), startMs: 0, stopping: new AbortController().signal },
    witness: { ...nobody, ...witness },
  });
};

test('sends every job though none is answered', async () => {
  const held: (() => void)[] = [];
  const connections = await serve((_, answer) => {
    held.push(() => answer(null, Job.fromPartial({ id: BigInt(held.length) })));
    // Whoever waited for an answer before sending the next would wait for ever.
    if (held.length === plan.jobs) for (const tell of held) tell();
  });
  const enqueued = new Set<number>();
  await send(connections, { enqueued: (number) => enqueued.add(number) });
  expect(enqueued.size).toBe(50);
});

test('repeats under the same id what was perhaps not heard, and gives up what was refused', async () => {
  const asked = new Map<string, number>();
  const connections = await serve(({ requestId }, answer) => {
    const times = (asked.get(requestId) ?? 0) + 1;
    asked.set(requestId, times);
    if (requestId.endsWith('-7')) answer({ code: status.RESOURCE_EXHAUSTED, details: 'the queue is full' });
    else if (requestId.endsWith('-8') && times < 3) answer({ code: status.UNAVAILABLE, details: 'not now' });
    else answer(null, Job.fromPartial({ id: 1n }));
  });
  const refused: number[] = [];
  await send(connections, { refused: (number) => refused.push(number) });
  expect(refused).toEqual([7]);
  const times = [...asked].filter(([, n]) => n > 1).map(([id, n]) => [id.replace(/.*-/, ''), n]);
  expect(times).toEqual([['8', 3]]);
  expect(asked.size).toBe(50);
});

test('counts from when a job was due, not from when there was time for it', async () => {
  const clock = createManualClock();
  const board = createScoreboard(plan, clock, () => undefined);
  board.begin(clock.monotonicMs());
  // Job 10 is due after 200 ms; everything comes late.
  await clock.advance(1_200);
  board.sent(10);
  await clock.advance(300);
  board.enqueued(10, 1);
  board.leased(10);
  await clock.advance(500);
  board.completed(10, 20);
  const max = (stage: 'lag' | 'enqueue' | 'lease' | 'completion' | 'job') =>
    Math.round(board.figures.read(stage).max ?? 0);
  expect({
    lag: max('lag'),
    enqueue: max('enqueue'),
    lease: max('lease'),
    completion: max('completion'),
    job: max('job'),
  }).toEqual({ lag: 1_000, enqueue: 1_300, lease: 1_300, completion: 20, job: 1_800 });
  const series = board.series.rows().map(({ second, sent, enqueued, finished }) => [second, sent, enqueued, finished]);
  expect(series).toEqual([
    [0, 0, 0, 0],
    [1, 1, 1, 0],
    [2, 0, 0, 1],
  ]);
});
