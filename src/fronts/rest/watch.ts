/** /api/v1/instances/{instance}/jobs/{id}/watch and /events: what happens, as it happens. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { createEventTail } from '../../farm/event-tail.ts';
import type { Home } from '../../farm/home.ts';
import { watchEvents } from '../../farm/watch-events.ts';
import { watchJob } from '../../farm/watch-job.ts';
import { asks, numbered } from './admit-requests.ts';
import { jobJson } from './job-json.ts';
import { idOf, instanceOf, readQuery, someOf } from './read.ts';
import { type Gives, JSON_LINES_TYPE, media, SSE_TYPE } from './shape.ts';
import { eventWatched, FARM_EVENT_KINDS, farmEventJson } from './shapes/event.ts';
import { jobWatched } from './shapes/job.ts';
import { problem } from './shapes/problem.ts';
import type { Piece } from './stream-form.ts';
import { createStreams } from './streams.ts';

const cursor = z.string().default('').describe('Resumes after it; so does the header Last-Event-ID.');
const jobQuery = z.strictObject({ cursor });
const eventsQuery = z.strictObject({
  kind: someOf(FARM_EVENT_KINDS),
  jobId: z.coerce.number().int().min(1).nullable().default(null),
  botId: z.string().nullable().default(null),
  deviceId: z.coerce.number().int().min(1).nullable().default(null),
  cursor,
});

type Params = { readonly instance: string; readonly id: string };

/** The last line of a stream that ends before its time says why. */
const streamOf = (line: z.ZodType): Gives =>
  media({ [JSON_LINES_TYPE]: z.union([line, z.strictObject({ problem })]), [SSE_TYPE]: z.string() });

const JOB_SAYS = 'Follows a job: as it is, then once for each of its events, until it has ended.';
const EVENTS_SAYS = 'Follows what happens in an instance, from now on or from a cursor.';

/** @param closing aborts when the door closes: what is watched ends then. */
export const addWatches = (app: FastifyInstance, home: Home, closing: AbortSignal): void => {
  const streams = createStreams(home, closing);
  const tail = createEventTail(home);
  app.get<{ Params: Params }>(
    '/jobs/:id/watch',
    asks('watch-job', { says: JOB_SAYS, query: jobQuery, gives: streamOf(jobWatched) }, numbered('job')),
    (request, reply) => {
      const name = { instance: instanceOf(request.params), id: idOf('job', request.params.id) };
      const resumed = lastSeen(request, readQuery(jobQuery, request.query).cursor);
      return streams.answer(request, reply, async function* (signal): AsyncGenerator<Piece, void, void> {
        for await (const { job, event, cursor } of watchJob(home, { ...name, cursor: resumed, signal }))
          yield { cursor, told: { event, cursor, job: jobJson(job) } };
      });
    },
  );
  app.get<{ Params: Params }>(
    '/events',
    asks('watch-events', { says: EVENTS_SAYS, query: eventsQuery, gives: streamOf(eventWatched) }),
    (request, reply) => {
      const { kind: kinds, cursor, ...about } = readQuery(eventsQuery, request.query);
      const asked = { instance: instanceOf(request.params), kinds, ...about, cursor: lastSeen(request, cursor) };
      return streams.answer(request, reply, async function* (signal): AsyncGenerator<Piece, void, void> {
        for await (const { event, cursor } of watchEvents(home, tail, { ...asked, signal }))
          yield { cursor, told: event === null ? null : { cursor, event: farmEventJson(event) } };
      });
    },
  );
};

/** A browser that connects again asks for the same path, and says in a header how far it was. */
const lastSeen = ({ headers }: FastifyRequest, cursor: string): string => {
  const last = headers['last-event-id'];
  return typeof last === 'string' && last !== '' ? last : cursor;
};
