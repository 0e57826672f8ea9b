/** /api/v1/whoami: whom the farm takes the caller for. */
import type { FastifyInstance } from 'fastify';
import { type Principal, principalName } from '../../core/principal.ts';
import { json } from './shape.ts';
import { caller } from './shapes/token.ts';
import { asks, principalOf } from './admit-requests.ts';

export const addWhoAmI = (app: FastifyInstance): void => {
  app.get(
    '/api/v1/whoami',
    asks('who-am-i', { says: 'Says whom the farm takes the caller for.', gives: json(caller) }),
    (request) => principalJson(principalOf(request)),
  );
};

const principalJson = (principal: Principal) => ({
  name: principalName(principal),
  kind: principal.kind,
  bot: principal.kind === 'bot' ? principal.bot : null,
  grants: principal.kind === 'member' ? principal.grants : [],
});
