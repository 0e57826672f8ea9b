/** The services of the gRPC door: each generated definition with its verbs and its handlers. */
import type { Home } from '../../farm/home.ts';
import { ExternalScalerService } from '../../gen/externalscaler/externalscaler.ts';
import { BotsService } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ReservationsService } from '../../gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { FleetService } from '../../gen/stationgrid/v1/fleet.ts';
import { IdentityService } from '../../gen/stationgrid/v1/identity.ts';
import { JobsService } from '../../gen/stationgrid/v1/jobs.ts';
import { ResultsService } from '../../gen/stationgrid/v1/results.ts';
import { ShopfloorService } from '../../gen/stationgrid/v1/shopfloor.ts';
import { UnitsService } from '../../gen/stationgrid/v1/units.ts';
import { type BotsOptions, createBots } from './bots.ts';
import { createService, type Service } from './endpoints.ts';
import { createFleet } from './fleet.ts';
import { createIdentityService } from './identity.ts';
import { createJobs } from './jobs.ts';
import { createReread } from './reread.ts';
import { createReservations } from './reservations.ts';
import { createResults } from './results.ts';
import { createScaler } from './scaler.ts';
import { createShopfloor } from './shopfloor.ts';
import { createUnits } from './units.ts';
import {
  botsVerbs,
  fleetVerbs,
  identityVerbs,
  jobsVerbs,
  reservationsVerbs,
  resultsVerbs,
  scalerVerbs,
  shopfloorVerbs,
  unitsVerbs,
} from './verbs.ts';

export type ServicesParts = {
  readonly home: Home;
  readonly bots: BotsOptions;
  /** Aborts when the door closes: watches and waits end then. */
  readonly closing: AbortSignal;
};

export const createServices = ({ home, bots, closing }: ServicesParts): readonly Service[] => [
  createService(rereading(home), botsVerbs, createBots(home, bots)),
  createService(ReservationsService, reservationsVerbs, createReservations(home, closing)),
  createService(JobsService, jobsVerbs, createJobs(home, closing)),
  createService(FleetService, fleetVerbs, createFleet(home)),
  createService(UnitsService, unitsVerbs, createUnits(home)),
  createService(ShopfloorService, shopfloorVerbs, createShopfloor(home)),
  createService(ResultsService, resultsVerbs, createResults(home)),
  createService(IdentityService, identityVerbs, createIdentityService(home)),
  createService(ExternalScalerService, scalerVerbs, createScaler(home, closing)),
];

/** The Bots service, with the request that comes again and again read but once. */
const rereading = (home: Home): typeof BotsService => {
  const { updateBotSession } = BotsService;
  const requestDeserialize = createReread(
    (name) => home.sessions.byName.get(name),
    updateBotSession.requestDeserialize,
  );
  return { ...BotsService, updateBotSession: { ...updateBotSession, requestDeserialize } };
};
