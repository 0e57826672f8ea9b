/** /api/v1/instances/{instance}/jobs */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { credentialsEnded } from '../../farm/admit.ts';
import { cancelJob } from '../../farm/cancel-job.ts';
import { type EnqueueingFarm, enqueueJob, enqueueJobs } from '../../farm/enqueue-job.ts';
import { explainJob } from '../../farm/explain-job.ts';
import { getJob, type JobName } from '../../farm/get-job.ts';
import { listJobs } from '../../farm/list-jobs.ts';
import { overrideGate } from '../../farm/override-gate.ts';
import { retryGate } from '../../farm/retry-gate.ts';
import { type JobWatched, watchJob } from '../../farm/watch-job.ts';
import { asks, numbered } from './admit-requests.ts';
import { jobJson, jobRequestOf, jobSchema } from './job-json.ts';
import { refusalProblem } from './problem.ts';
import { enqueued, explanation, job as jobShape, jobPage, jobWatched } from './shapes/job.ts';
import { json, made, media } from './shape.ts';
import { idOf, instanceInPath, instanceOf, someOf, pageQuery, readBody, readQuery, reasonBody } from './read.ts';

const batchSchema = z.strictObject({ jobs: z.array(jobSchema).min(1) });

const listQuery = z.strictObject({
  state: someOf(['QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED']),
  station: z.string().nullable().default(null),
  route: z.string().nullable().default(null),
  serial: z.string().nullable().default(null),
  ...pageQuery,
});

const watchQuery = z.strictObject({ cursor: z.string().default('') });

const shown = json(jobShape);
const watched = media({ 'application/x-ndjson': jobWatched });
const WATCH_SAYS = 'Follows a job: as it is, then once for each of its events, until it has ended.';

type Params = { readonly instance: string; readonly id: string };

const job = numbered('job');

const nameOf = (params: Params): JobName => ({ instance: instanceOf(params), id: idOf('job', params.id) });

/** @param closing aborts when the door closes: watches end then. */
export const addJobs = (app: FastifyInstance, farm: EnqueueingFarm, closing: AbortSignal): void => {
  const show = async (name: JobName) => jobJson(await getJob(farm, name));
  app.get<{ Params: Params }>(
    '/jobs',
    asks('list-jobs', { says: 'Lists jobs, the newest first.', query: listQuery, gives: json(jobPage) }),
    async ({ params, query }) => {
      const { state, ...asked } = readQuery(listQuery, query);
      const { jobs, nextPageToken } = await listJobs(farm, { instance: instanceOf(params), states: state, ...asked });
      return { jobs: jobs.map(jobJson), nextPageToken };
    },
  );
  app.post<{ Params: Params }>(
    '/jobs',
    asks('enqueue-job', {
      says: 'Enqueues a job, or several in one go.',
      body: z.union([jobSchema, batchSchema]),
      gives: made(enqueued),
    }),
    async ({ params, body }, reply) => {
      const instance = instanceOf(params);
      reply.status(201);
      if (isBatch(body)) {
        const { jobs } = readBody(batchSchema, body);
        const made = await enqueueJobs(
          farm,
          jobs.map((each) => jobRequestOf(instance, each)),
        );
        return { jobs: made.map(jobJson) };
      }
      const made = await enqueueJob(farm, jobRequestOf(instance, readBody(jobSchema, body)));
      reply.header('location', `/api/v1/instances/${instanceInPath(instance)}/jobs/${made.id}`);
      return jobJson(made);
    },
  );
  app.get<{ Params: Params }>(
    '/jobs/:id',
    asks('get-job', { says: 'Shows a job, with the results of its last attempt.', gives: shown }, job),
    ({ params }) => show(nameOf(params)),
  );
  app.post<{ Params: Params }>(
    '/jobs/:id/cancel',
    asks('cancel-job', { says: 'Cancels a job.', body: reasonBody, gives: shown }, job),
    async ({ params, body }) => {
      const name = nameOf(params);
      await cancelJob(farm, { ...name, ...readBody(reasonBody, body) });
      return show(name);
    },
  );
  app.get<{ Params: Params }>(
    '/jobs/:id/why',
    asks('explain-job', { says: 'Says why a job is not running.', gives: json(explanation) }, job),
    ({ params }) => explainJob(farm, nameOf(params)),
  );
  app.post<{ Params: Params }>(
    '/jobs/:id/gate/retry',
    asks(
      'retry-gate',
      { says: 'Asks the shopfloor again, which has refused the job.', body: reasonBody, gives: shown },
      job,
    ),
    async ({ params, body }) => {
      const { instance, id } = nameOf(params);
      await retryGate(farm, { instance, jobId: id, ...readBody(reasonBody, body) });
      return show({ instance, id });
    },
  );
  app.post<{ Params: Params }>(
    '/jobs/:id/gate/override',
    asks(
      'override-gate',
      { says: 'Lets the job run against the refusal of the shopfloor.', body: reasonBody, gives: shown },
      job,
    ),
    async ({ params, body }) => {
      const { instance, id } = nameOf(params);
      await overrideGate(farm, { instance, jobId: id, ...readBody(reasonBody, body) });
      return show({ instance, id });
    },
  );
  app.get<{ Params: Params }>(
    '/jobs/:id/watch',
    asks('watch-job', { says: WATCH_SAYS, query: watchQuery, gives: watched }, job),
    async ({ caller, params, query }, reply) => {
      const { cursor } = readQuery(watchQuery, query);
      const until = caller?.known.until ?? closing;
      const watching = whileAll([closing, until], reply);
      const seen = watchJob(farm, { ...nameOf(params), cursor, signal: watching });
      // What cannot be watched is refused with its own status, before the stream has begun.
      const first = await seen.next();
      return reply.type('application/x-ndjson').send(Readable.from(lines(first, seen, until)));
    },
  );
};

const isBatch = (body: unknown): boolean => typeof body === 'object' && body !== null && 'jobs' in body;

/** Aborts when one of them does, or the reader has gone; and then holds on to none of them. */
const whileAll = (signals: readonly AbortSignal[], { raw }: FastifyReply): AbortSignal => {
  const over = new AbortController();
  const end = (): void => {
    over.abort();
    for (const signal of signals) signal.removeEventListener('abort', end);
  };
  for (const signal of signals) signal.addEventListener('abort', end, { once: true });
  raw.once('close', end);
  if (raw.destroyed || signals.some(({ aborted }) => aborted)) end();
  return over.signal;
};

/**
 * One JSON object a line: the job as it is, what happened, and the cursor that resumes after it. A watch that its
 * caller's credentials do not outlast ends with a problem: its status is long gone.
 */
async function* lines(
  first: IteratorResult<JobWatched, void>,
  rest: AsyncGenerator<JobWatched, void, void>,
  until: AbortSignal,
): AsyncGenerator<string, void, void> {
  if (first.done === true) return;
  yield line(first.value);
  for await (const seen of rest) {
    if (until.aborted) break;
    yield line(seen);
  }
  if (until.aborted) yield `${JSON.stringify({ problem: refusalProblem(credentialsEnded(until)) })}\n`;
}

const line = ({ job, event, cursor }: JobWatched): string =>
  `${JSON.stringify({ event, cursor, job: jobJson(job) })}\n`;
