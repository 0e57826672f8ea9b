/** One job is one trace, from whoever enqueues it to the shopfloor's door; and without a collector there is nothing of it. */
import { once } from 'node:events';
import { createServer, request as ask, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EnqueueJobRequest, type Job, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type Collector, startCollector, type TakenSpan } from '../support/otlp-collector.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';

const LINE = 'line-1';
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

type Heard = { readonly method: string; readonly traceparent: string | null };

let collector: Collector;
let site: Site;
/** Stands before the reference shopfloor, and hears what headers come. */
let ear: Server;
const heard: Heard[] = [];
beforeAll(async () => {
  collector = await startCollector();
  ear = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { traceparent } = request.headers;
      const method = /<methodName>(\w+)/.exec(body.toString('utf8'))?.[1] ?? '';
      heard.push({ method, traceparent: typeof traceparent === 'string' ? traceparent : null });
      const passed = ask(site.shopfloorUrl, { method: 'POST', headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      passed.end(body);
    });
  });
  ear.listen(0, '127.0.0.1');
  await once(ear, 'listening');
  const url = `http://127.0.0.1:${(ear.address() as AddressInfo).port}/`;
  site = await openSite({ lines: () => [{ instance: LINE, shopfloor: { url } }] });
  await site.shopfloor().start();
});
afterAll(async () => {
  await site.close();
  ear.closeAllConnections();
  ear.close();
  await collector.close();
});

const BOARD = 'BOARD-OF-THE-TRACES';
/** For any bot: it is about the DUT that the bot has. */
const job = {
  station: 'SMT',
  work: { tests: [{ testId: 'SMT.Probe', handler: 'simulate' }] },
};
const startBot = async (botId: string, farm: StandingFarm) => {
  const bot = site.bot(botId, farm, ['--instance', LINE, '--serial', `mlb_serial_number=${BOARD}`]);
  await bot.start();
  return bot;
};

const enqueueByHttp = async (farm: StandingFarm, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${farm.httpUrl}/api/v1/instances/${LINE}/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(job),
  });
  expect(answer.status).toBe(201);
};

const enqueueByGrpc = async ({ address }: StandingFarm, traceparent: string): Promise<void> => {
  const client = new Client(address, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = JobsService.enqueueJob;
  const metadata = new Metadata();
  metadata.set('traceparent', traceparent);
  const { station } = job;
  const work = { station, tests: [{ testId: 'SMT.Probe', run: { $case: 'handler' as const, value: 'simulate' } }] };
  const request = EnqueueJobRequest.fromPartial({
    job: { instance: LINE, station, task: { $case: 'work', value: work } },
  });
  await new Promise<Job>((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, reply) => {
      if (error === null) resolve(reply!);
      else reject(error);
    });
  }).finally(() => client.close());
};

/** Until the shopfloor has heard the end of so many jobs. */
const untilTold = (ends: number, since = 0): Promise<void> =>
  eventually(() => expect(heard.slice(since).filter(({ method }) => method === 'NotifyEnd')).toHaveLength(ends));

/** Each span by its name, and the names of its ancestors, the eldest last. */
const lineages = (spans: readonly TakenSpan[]): readonly (readonly string[])[] => {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const up = (span: TakenSpan): readonly string[] => {
    const parent = byId.get(span.parentSpanId);
    return [span.name, ...(parent === undefined ? [] : up(parent))];
  };
  return spans.map(up).toSorted((a, b) => a.join().localeCompare(b.join()));
};

const SPANS_OF_A_JOB = [
  ['enqueue SMT'],
  ['lease SMT', 'enqueue SMT'],
  ['NotifyEnd', 'lease SMT', 'enqueue SMT'],
  ['NotifyStart', 'lease SMT', 'enqueue SMT'],
  ['run SMT', 'lease SMT', 'enqueue SMT'],
  ['UpdateTestResult', 'lease SMT', 'enqueue SMT'],
  ['wait for a bot', 'enqueue SMT'],
];

test('a job is one trace across replicas, and the shopfloor is told of it', async () => {
  const traced = { set: [`tracing.endpoint=${collector.url}`, 'tracing.name=line-farm'] };
  const farms = [await site.farm('one', traced), await site.farm('two', traced)] as const;
  const [one, two] = farms;
  await one.start();
  await two.start();
  const bot = await startBot('smt-1', two);
  // A caller of another system, one that does not trace, and one that has decided against keeping.
  await enqueueByGrpc(one, `00-${CALLER.traceId}-${CALLER.spanId}-01`);
  await enqueueByHttp(one);
  await enqueueByHttp(one, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` });
  await untilTold(3);
  await bot.stop();
  // What is left is sent at the stop.
  for (const farm of farms) expect(await farm.stop()).toBe(0);
  expect([...collector.services]).toEqual(['line-farm']);

  const called = collector.spans.filter(({ traceId }) => traceId === CALLER.traceId);
  expect(lineages(called)).toEqual(SPANS_OF_A_JOB);
  expect(called.find(({ name }) => name === 'enqueue SMT')).toMatchObject({ parentSpanId: CALLER.spanId, kind: 2 });
  expect(called.find(({ name }) => name === 'lease SMT')?.attributes).toMatchObject({
    ...{ 'stationgrid.bot': 'smt-1', 'stationgrid.instance': LINE, 'stationgrid.station': 'SMT' },
    ...{ 'stationgrid.attempt': 1, 'stationgrid.lease.state': 'COMPLETED', 'stationgrid.verdict': 'PASSED' },
  });
  expect(called.filter(({ startNs, endNs }) => startNs > endNs)).toEqual([]);
  expect(called.filter(({ statusCode }) => statusCode === 2)).toEqual([]);
  // What the partner heard is the very span of the send.
  const sends = called
    .filter(({ kind }) => kind === 3)
    .map(({ name, spanId }) => ({ method: name, traceparent: `00-${CALLER.traceId}-${spanId}-01` }));
  for (const send of sends) expect(heard).toContainEqual(send);

  const begun = collector.spans.filter(({ traceId }) => traceId !== CALLER.traceId);
  expect(new Set(begun.map(({ traceId }) => traceId)).size).toBe(1);
  expect(lineages(begun)).toEqual(SPANS_OF_A_JOB);
  expect(begun.find(({ name }) => name === 'enqueue SMT')?.parentSpanId).toBe('');
  // Handed on, and kept by nobody.
  expect(heard.filter(({ traceparent }) => traceparent?.startsWith(`00-${'a'.repeat(32)}-`))).toHaveLength(3);
  expect(heard.find(({ traceparent }) => traceparent?.endsWith('-00'))).toBeDefined();
  expect(
    JSON.stringify(collector.spans, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
  ).not.toContain(BOARD);
});

test('without a collector no trace is begun, carried, told or sent', async () => {
  const [before, requests] = [heard.length, collector.requests()];
  const farm = await site.farm('plain');
  await farm.start();
  const bot = await startBot('smt-2', farm);
  await enqueueByHttp(farm, { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` });
  await untilTold(1, before);
  await bot.stop();
  const rows = await site.database(async (db) => {
    const { rows: found } = await db.query<{ n: number }>(
      `select count(*)::integer as n from jobs where traceparent is not null and id = (select max(id) from jobs)`,
    );
    return found;
  });
  expect(rows).toEqual([{ n: 0 }]);
  expect(heard.slice(before).map(({ traceparent }) => traceparent)).toEqual([null, null, null]);
  expect(await farm.stop()).toBe(0);
  expect(collector.requests()).toBe(requests);
});
