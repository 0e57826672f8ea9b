/** The gRPC door: the Bots and Reservations services, StationGrid's own, health and reflection, on one port. */
import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Limits } from '../../core/limits.ts';
import type { Admission } from '../../farm/admit.ts';
import type { Home } from '../../farm/home.ts';
import { createDeadlines } from '../../listen/deadlines.ts';
import type { Entrance } from '../../listen/keep-door.ts';
import { type Http2Listener, listenForHttp2 } from '../../listen/listen-for-http2.ts';
import { fileDescriptorProtos } from '../../gen/descriptors.ts';
import { guarded } from './adapt-foreign.ts';
import { addServices } from './adapt.ts';
import type { BotsOptions } from './bots.ts';
import { finishRequests } from './finish-requests.ts';
import { hearResets } from './hear-sessions.ts';
import { knowFirst } from './know-first.ts';
import { keepToLiving } from './living-streams.ts';
import { type CallWitness, createPort } from './port.ts';
import { createServices } from './services.ts';

export type GrpcOptions = {
  readonly home: Home;
  readonly address: { readonly host: string; readonly port: number };
  readonly entrance: Entrance;
  readonly bots: BotsOptions;
  readonly metrics: CallWitness;
  readonly admission: Admission;
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

/** Health's name for the server as a whole. */
const WHOLE_SERVER = '';

/** What Node counts the memory of HTTP/2 in. */
const MEGABYTE = 1_000_000;

/** @throws CannotStart when the address cannot be bound. */
export const serveGrpc = async (options: GrpcOptions): Promise<GrpcDoor> => {
  const { home, address, entrance, bots, metrics, admission } = options;
  const closing = new AbortController();
  const seams = { clock: home.clock, log: home.log, metrics, admission };
  const services = createServices({ home, bots, closing: closing.signal });
  const logBug = (error: unknown): void => {
    home.log.error({ err: error }, 'a caller could not be identified by a fault of ours');
  };
  const { requestMs } = home.limits.grpc;
  const { stray } = entrance.keeper;
  const deadlines = createDeadlines(requestMs, home.clock);
  const server = new Server({
    ...serverOptions(home.limits),
    interceptors: [finishRequests({ deadlines, withinMs: requestMs, stray }), knowFirst(services, admission, logBug)],
  });
  keepToLiving(server);
  hearResets(server, stray);
  addServices(server, services, createPort(services, seams), home.clock);
  // By their names on the wire, as health and reflection know them.
  const served = services.map(({ name }) => name);
  const doorkept = guarded(server, { ...seams, silenceMs: requestMs });
  addReflection(doorkept, served);
  const health = new HealthImplementation();
  health.addToServer(doorkept);
  const setServing = (isServing: boolean): void => {
    for (const name of [WHOLE_SERVER, ...served]) health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const take = (socket: Socket): void => {
    injector.injectConnection(socket);
  };
  const listener = await listenForHttp2({ address, entrance, take }).catch((cause: unknown) => {
    throw cannotListen(hostPort(address.host, address.port), cause);
  });
  return {
    port: listener.port,
    address: hostPort(address.host, listener.port),
    setServing,
    stop: () => {
      setServing(false);
      closing.abort();
      deadlines.stop();
      return stop(server, listener, home);
    },
  };
};

const serverOptions = ({ grpc }: Limits) => ({
  'grpc.max_receive_message_length': grpc.receiveBytesMax,
  // What was taken in must be able to go out again: a list of jobs carries their work.
  'grpc.max_send_message_length': -1,
  'grpc.max_concurrent_streams': grpc.streamsMax,
  'grpc-node.max_session_memory': Math.ceil(grpc.sessionBytesMax / MEGABYTE),
  'grpc.keepalive_time_ms': grpc.keepaliveMs,
  'grpc.keepalive_timeout_ms': grpc.keepaliveTimeoutMs,
  'grpc.max_connection_idle_ms': grpc.idleMs,
  'grpc.max_connection_age_ms': grpc.ageMs,
  'grpc.max_connection_age_grace_ms': grpc.ageGraceMs,
});

/** Of all that protos/ declares only what is served is shown. */
const addReflection = (server: Pick<Server, 'addService'>, services: string[]): void => {
  // The package reads nothing of a definition but its files, so one entry that carries them all is enough.
  const definition = {
    protos: { format: 'Protocol Buffer 3 EnumDescriptorProto' as const, type: {}, fileDescriptorProtos },
  };
  new ReflectionService(definition, { services }).addToServer(server);
};

const hostPort = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

const cannotListen = (address: string, cause: unknown): CannotStart => {
  const why = cause instanceof Error ? cause.message : String(cause);
  const words = `The gRPC door cannot listen on ${address}: ${why}. Free the port, or give another with --grpc.`;
  return new CannotStart(words, { cause });
};

/** Idle clients keep their connections; only calls under way are worth waiting for. */
const stop = async (server: Server, listener: Http2Listener, { clock, limits }: Home): Promise<void> => {
  const drained = new AbortController();
  // The connections are the listener's: grpc-js, which was handed them, asks them to leave but waits for none.
  void listener.close().then(() => {
    drained.abort();
  });
  server.tryShutdown(() => undefined);
  await clock.sleep(limits.replica.drainMs, drained.signal);
  server.forceShutdown();
};
