/** /api/v1/instances/{instance}/jobs */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { cancelJob } from '../../farm/cancel-job.ts';
import { type EnqueueingFarm, enqueueJob, enqueueJobs } from '../../farm/enqueue-job.ts';
import { explainJob } from '../../farm/explain-job.ts';
import { getJob, type JobName } from '../../farm/get-job.ts';
import { listJobs } from '../../farm/list-jobs.ts';
import { overrideGate } from '../../farm/override-gate.ts';
import { retryGate } from '../../farm/retry-gate.ts';
import { asks, numbered } from './admit-requests.ts';
import { jobJson, jobRequestOf, jobSchema } from './job-json.ts';
import { enqueued, explanation, job as jobShape, jobPage } from './shapes/job.ts';
import { json, made } from './shape.ts';
import { idOf, instanceInPath, instanceOf, someOf, pageQuery, readBody, readQuery, reasonBody } from './read.ts';

const batchSchema = z.strictObject({ jobs: z.array(jobSchema).min(1) });

const listQuery = z.strictObject({
  state: someOf(['QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED']),
  station: z.string().nullable().default(null),
  route: z.string().nullable().default(null),
  serial: z.string().nullable().default(null),
  ...pageQuery,
});

const shown = json(jobShape);

type Params = { readonly instance: string; readonly id: string };

const job = numbered('job');

const nameOf = (params: Params): JobName => ({ instance: instanceOf(params), id: idOf('job', params.id) });

export const addJobs = (app: FastifyInstance, farm: EnqueueingFarm): void => {
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
    async ({ params, body, headers }, reply) => {
      const instance = instanceOf(params);
      const traceparent = traceparentIn(headers);
      reply.status(201);
      if (isBatch(body)) {
        const { jobs } = readBody(batchSchema, body);
        const made = await enqueueJobs(
          farm,
          jobs.map((each) => jobRequestOf(instance, each)),
          traceparent,
        );
        return { jobs: made.map(jobJson) };
      }
      const made = await enqueueJob(farm, jobRequestOf(instance, readBody(jobSchema, body)), traceparent);
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
  addGates(app, farm, show);
};

const addGates = (app: FastifyInstance, farm: EnqueueingFarm, show: (name: JobName) => Promise<unknown>): void => {
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
};

/** Node joins several into one value, which is then none. */
const traceparentIn = ({ traceparent }: IncomingHttpHeaders): string | null =>
  typeof traceparent === 'string' ? traceparent : null;

const isBatch = (body: unknown): boolean => typeof body === 'object' && body !== null && 'jobs' in body;
