/** /api/v1/instances/{instance}/results, and those of one job */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { fitResults } from '../../core/fit-results.ts';
import { callingBot } from '../../core/principal.ts';
import { invalid } from '../../core/refusal.ts';
import { checkText } from '../../core/text.ts';
import { annotateResults } from '../../farm/annotate-results.ts';
import type { Home } from '../../farm/home.ts';
import { listResultNotes } from '../../farm/list-result-notes.ts';
import { listTestResults } from '../../farm/list-test-results.ts';
import { reportTestResults } from '../../farm/report-test-results.ts';
import { asks, callerOf, numbered, principalOf, textIn } from './admit-requests.ts';
import { json, made } from './shape.ts';
import { note as noteShape, reported, results as resultsShape } from './shapes/result.ts';
import { idOf, instanceOf, pageQuery, readBody, readQuery } from './read.ts';
import { resultJson, resultSchema } from './results-json.ts';

const reportBody = z.strictObject({ session: z.string(), leaseId: z.string(), results: z.array(resultSchema).min(1) });

const listQuery = z.strictObject(pageQuery);

const noteBody = z.strictObject({ note: z.string() });

type Params = { readonly instance: string; readonly id: string };

const jobOf = (params: Params) => ({ instance: instanceOf(params), id: idOf('job', params.id) });

const inBody = (_params: unknown, body: unknown): string => textIn(body, 'session');

export const addResults = (app: FastifyInstance, home: Home): void => {
  app.get<{ Params: Params }>(
    '/jobs/:id/results',
    asks(
      'list-test-results',
      {
        says: 'Shows the results of all attempts of a job, page by page, and the notes on them.',
        query: listQuery,
        gives: json(resultsShape),
      },
      numbered('job'),
    ),
    async ({ params, query }) => {
      const page = readQuery(listQuery, query);
      const { results, nextPageToken } = await listTestResults(home, { ...jobOf(params), ...page });
      const notes = page.pageToken === '' ? await listResultNotes(home, jobOf(params)) : [];
      return {
        results: results.map(({ result, ...stored }) => ({ ...stored, result: resultJson(result) })),
        notes,
        nextPageToken,
      };
    },
  );
  app.post<{ Params: Params }>(
    '/jobs/:id/notes',
    asks(
      'annotate-results',
      { says: "Puts a note beside a job's results.", body: noteBody, gives: made(noteShape) },
      numbered('job'),
    ),
    async (request, reply) => {
      const asked = { ...jobOf(request.params), ...readBody(noteBody, request.body) };
      const note = await annotateResults(home, asked, callerOf(request));
      return reply.status(201).send(note);
    },
  );
  app.post<{ Params: Params }>(
    '/results',
    asks(
      'report-test-results',
      { says: 'Reports results while a lease runs.', body: reportBody, gives: json(reported) },
      inBody,
    ),
    async (request) => {
      const { session, leaseId, results } = readBody(reportBody, request.body);
      checkText('The session', session, home.limits.text.nameBytesMax);
      checkInstance(instanceOf(request.params), session);
      const bot = callingBot(principalOf(request));
      return reportTestResults(home, { session, caller: bot, leaseId, results: fitResults(results, home.limits) });
    },
  );
};

/** A session is named `<instance>/<uuid>`: one line's results do not come through another's path. */
const checkInstance = (instance: string, session: string): void => {
  if (session.slice(0, session.lastIndexOf('/')) === instance) return;
  const words = `The session ${JSON.stringify(session)} is none of instance ${JSON.stringify(instance)}. Use its own path.`;
  throw invalid('SESSION_OF_ANOTHER_INSTANCE', words);
};
