/** The gRPC door: the Bots and Reservations services, StationGrid's own, health and reflection, on one port. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Limits } from '../../core/limits.ts';
import type { Home } from '../../farm/home.ts';
import { fileDescriptorProtos } from '../../gen/descriptors.ts';
import { BotsService } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ReservationsService } from '../../gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { FleetService } from '../../gen/stationgrid/v1/fleet.ts';
import { JobsService } from '../../gen/stationgrid/v1/jobs.ts';
import { ResultsService } from '../../gen/stationgrid/v1/results.ts';
import { ShopfloorService } from '../../gen/stationgrid/v1/shopfloor.ts';
import { addService, type CallWitness } from './adapt.ts';
import { type BotsOptions, createBots } from './bots.ts';
import { createFleet } from './fleet.ts';
import { createJobs } from './jobs.ts';
import { createReservations } from './reservations.ts';
import { createResults } from './results.ts';
import { createShopfloor } from './shopfloor.ts';

export type GrpcOptions = {
  readonly home: Home;
  readonly address: { readonly host: string; readonly port: number };
  readonly bots: BotsOptions;
  readonly metrics: CallWitness;
};

export type GrpcDoor = {
  /** The one bound, where port 0 was asked for. */
  readonly port: number;
  /** `host:port` as bound. */
  readonly address: string;
  /** What health says; NOT_SERVING at first. */
  readonly setServing: (isServing: boolean) => void;
  /**
   * Takes no new call, ends watches and waits, and lets the other calls end, for as long as a stopping replica has.
   * Parked polls are the home's to answer: stop that first.
   */
  readonly stop: () => Promise<void>;
};

/** By their names on the wire, as health and reflection know them. */
const SERVED = [
  'google.devtools.remoteworkers.v1test2.Bots',
  'google.devtools.remoteworkers.v1test2.Reservations',
  'stationgrid.v1.Jobs',
  'stationgrid.v1.Fleet',
  'stationgrid.v1.Shopfloor',
  'stationgrid.v1.Results',
];
/** Health's name for the server as a whole. */
const WHOLE_SERVER = '';

/** @throws CannotStart when the address cannot be bound. */
export const serveGrpc = async (options: GrpcOptions): Promise<GrpcDoor> => {
  const { home, address, bots, metrics } = options;
  const closing = new AbortController();
  const server = new Server(serverOptions(home.limits));
  const seams = { clock: home.clock, log: home.log, metrics };
  addService(server, BotsService, createBots(home, bots), seams);
  addService(server, ReservationsService, createReservations(home, closing.signal), seams);
  addService(server, JobsService, createJobs(home, closing.signal), seams);
  addService(server, FleetService, createFleet(home), seams);
  addService(server, ShopfloorService, createShopfloor(home), seams);
  addService(server, ResultsService, createResults(home), seams);
  addReflection(server);
  const health = new HealthImplementation();
  health.addToServer(server);
  const setServing = (isServing: boolean): void => {
    for (const name of [WHOLE_SERVER, ...SERVED]) health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  const port = await bind(server, hostPort(address.host, address.port));
  return {
    port,
    address: hostPort(address.host, port),
    setServing,
    stop: () => {
      setServing(false);
      closing.abort();
      return stop(server, home);
    },
  };
};

const serverOptions = ({ grpc }: Limits) => ({
  'grpc.max_receive_message_length': grpc.receiveBytesMax,
  // What was taken in must be able to go out again: a list of jobs carries their work.
  'grpc.max_send_message_length': -1,
  'grpc.max_concurrent_streams': grpc.streamsMax,
  'grpc.keepalive_time_ms': grpc.keepaliveMs,
  'grpc.keepalive_timeout_ms': grpc.keepaliveTimeoutMs,
  'grpc.max_connection_idle_ms': grpc.idleMs,
  'grpc.max_connection_age_ms': grpc.ageMs,
  'grpc.max_connection_age_grace_ms': grpc.ageGraceMs,
});

/** Of all that protos/ declares only what is served is shown. */
const addReflection = (server: Server): void => {
  // The package reads nothing of a definition but its files, so one entry that carries them all is enough.
  const definition = {
    protos: { format: 'Protocol Buffer 3 EnumDescriptorProto' as const, type: {}, fileDescriptorProtos },
  };
  new ReflectionService(definition, { services: SERVED }).addToServer(server);
};

const hostPort = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

const bind = (server: Server, address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(cannotBind(address, error));
    });
  });

const cannotBind = (address: string, cause: Error): CannotStart =>
  new CannotStart(
    `The gRPC door cannot listen on ${address}: ${cause.message}. Free the port, or give another with --grpc.`,
    {
      cause,
    },
  );

/** Idle clients keep their connections; only calls under way are worth waiting for. */
const stop = async (server: Server, { clock, limits }: Home): Promise<void> => {
  const drained = new AbortController();
  server.tryShutdown(() => {
    drained.abort();
  });
  await clock.sleep(limits.replica.drainMs, drained.signal);
  server.forceShutdown();
};
