/** /api/v1/instances/{instance}/quarantined-events */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Farm } from '../../farm/farm.ts';
import { listQuarantinedEvents } from '../../farm/list-quarantined-events.ts';
import { toRedacted } from '../../wire/redact.ts';
import { asks } from './admit-requests.ts';
import { json } from './shape.ts';
import { quarantinedPage } from './shapes/testlog.ts';
import { instanceOf, pageQuery, readQuery } from './read.ts';

const query = z.strictObject(pageQuery);

export const addTestlog = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: { readonly instance: string } }>(
    '/quarantined-events',
    asks('list-quarantined-events', {
      says: 'Lists Testlog events that were put aside, with the reason.',
      query,
      gives: json(quarantinedPage),
    }),
    async ({ params, query: asked }) =>
      // Those that an older version put aside were kept as they came.
      toRedacted(await listQuarantinedEvents(farm, { instance: instanceOf(params), ...readQuery(query, asked) })),
  );
};
