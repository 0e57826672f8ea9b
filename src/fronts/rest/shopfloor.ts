/** /api/v1/instances/{instance}/calls, /lanes and /bridge. Calls, lanes and sends are shown as the farm has them. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Farm } from '../../farm/farm.ts';
import { getCall, listCalls } from '../../farm/list-calls.ts';
import { listLanes } from '../../farm/list-lanes.ts';
import { listReconciliation } from '../../farm/list-reconciliation.ts';
import { resumeBridge } from '../../farm/resume-bridge.ts';
import { retryCall } from '../../farm/retry-call.ts';
import { skipCall } from '../../farm/skip-call.ts';
import { asks, numbered } from './admit-requests.ts';
import { json } from './shape.ts';
import { callPage, callWithJournal, lanePage, reconciliation, restore } from './shapes/shopfloor.ts';
import { flag, instanceOf, someOf, pageQuery, readBody, readQuery, reasonBody } from './read.ts';

const callsQuery = z.strictObject({
  state: someOf(['OWED', 'DELIVERED', 'GATE_REFUSED', 'DEAD', 'SKIPPED']),
  serial: z.string().nullable().default(null),
  jobId: z.coerce.number().int().min(1).nullable().default(null),
  ...pageQuery,
});

const lanesQuery = z.strictObject({ blocked: flag, ...pageQuery });

const reconciliationQuery = z.strictObject(pageQuery);

const nobody = z.strictObject({});

const call = json(callWithJournal);

type Params = { readonly instance: string; readonly id: string };

const nameOf = (params: Params) => ({ instance: instanceOf(params), id: params.id });

export const addShopfloor = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: Params }>(
    '/calls',
    asks('list-calls', { says: 'Lists shopfloor calls, the newest first.', query: callsQuery, gives: json(callPage) }),
    ({ params, query }) => {
      const { state: states, ...asked } = readQuery(callsQuery, query);
      return listCalls(farm, { instance: instanceOf(params), states, ...asked });
    },
  );
  app.get<{ Params: Params }>(
    '/calls/:id',
    asks(
      'list-calls',
      { says: 'Shows a shopfloor call, with its sends.', name: 'getCall', gives: call },
      numbered('call'),
    ),
    ({ params }) => getCall(farm, nameOf(params)),
  );
  app.post<{ Params: Params }>(
    '/calls/:id/retry',
    asks('retry-call', { says: 'Sends a dead letter again.', body: nobody, gives: call }, numbered('call')),
    async ({ params, body }) => {
      readBody(nobody, body);
      await retryCall(farm, nameOf(params));
      return getCall(farm, nameOf(params));
    },
  );
  app.post<{ Params: Params }>(
    '/calls/:id/skip',
    asks(
      'skip-call',
      { says: 'Leaves a dead letter out, so that its lane goes on.', body: reasonBody, gives: call },
      numbered('call'),
    ),
    async ({ params, body }) => {
      await skipCall(farm, { ...nameOf(params), ...readBody(reasonBody, body) });
      return getCall(farm, nameOf(params));
    },
  );
  app.get<{ Params: Params }>(
    '/lanes',
    asks('list-lanes', { says: 'Lists lanes, the blocked ones first.', query: lanesQuery, gives: json(lanePage) }),
    ({ params, query }) => {
      const { blocked: blockedOnly, ...asked } = readQuery(lanesQuery, query);
      return listLanes(farm, { instance: instanceOf(params), blockedOnly, ...asked });
    },
  );
  app.get<{ Params: Params }>(
    '/bridge/reconciliation',
    asks('list-reconciliation', {
      says: 'After a restore: what to compare with the partner.',
      query: reconciliationQuery,
      gives: json(reconciliation),
    }),
    ({ params, query }) =>
      listReconciliation(farm, { instance: instanceOf(params), ...readQuery(reconciliationQuery, query) }),
  );
  app.post<{ Params: Params }>(
    '/bridge/resume',
    asks('resume-bridge', {
      says: 'After a restore: tells the shopfloor again.',
      body: reasonBody,
      gives: json(restore),
    }),
    ({ params, body }) => resumeBridge(farm, { instance: instanceOf(params), ...readBody(reasonBody, body) }),
  );
};
