/** JSON over HTTP: the same verbs as the gRPC door, for people with curl. */
import type { FastifyPluginCallback } from 'fastify';
import type { Home } from '../../farm/home.ts';
import { addFleet } from './fleet.ts';
import { addBotTokens } from './identity.ts';
import { addJobs } from './jobs.ts';
import { addParameters, type ParameterDepot } from './parameters.ts';
import { addResults } from './results.ts';
import { addShopfloor } from './shopfloor.ts';
import { addTestlog } from './testlog.ts';
import { addUnits } from './units.ts';
import { addWatches } from './watch.ts';

export type RestParts = {
  readonly home: Home;
  /** Aborts when the door closes. */
  readonly closing: AbortSignal;
  /** Null: this replica has no factory door. */
  readonly parameters: ParameterDepot | null;
};

/** To be registered under `/api/v1/instances/:instance`. */
export const restDoor: FastifyPluginCallback<RestParts> = (app, { home, closing, parameters }, done) => {
  addJobs(app, home);
  addWatches(app, home, closing);
  addFleet(app, home);
  addUnits(app, home);
  addShopfloor(app, home);
  addResults(app, home);
  addTestlog(app, home);
  addBotTokens(app, home);
  addParameters(app, home, parameters);
  done();
};
