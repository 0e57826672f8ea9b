import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { Code } from '../src/gen/google/rpc/code.ts';
import { BotsService } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ResultsService } from '../src/gen/stationgrid/v1/results.ts';
import { createAddresses } from './addresses.ts';
import type { Clock } from './clock.ts';
import { defaultLimits, type Limits } from './limits.ts';
import type { Answer, CallBounds, Transport } from './transport.ts';

/** PEM bytes. Without a key and certificate of its own, the bot shows the farm none. */
export type Tls = {
  readonly rootCertificates: Buffer | null;
  readonly own: { readonly privateKey: Buffer; readonly certificateChain: Buffer } | null;
};

/** What the bot shows the farm. Another `tls` object means: connect anew, and show that. */
export type Shown = { readonly tls: Tls | null; readonly token: string | null };

type Method<Request, Reply> = {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Reply;
};

/** What of a bot's limits is the connection's. */
export type ConnectionLimits = Pick<Limits, 'keepaliveMs' | 'keepaliveTimeoutMs' | 'reconnectMinMs' | 'reconnectMaxMs'>;

/** Said aloud, since the library's own bounds are minutes. */
const channelOptions = (limits: ConnectionLimits) => ({
  'grpc.initial_reconnect_backoff_ms': limits.reconnectMinMs,
  'grpc.max_reconnect_backoff_ms': limits.reconnectMaxMs,
  'grpc.keepalive_time_ms': limits.keepaliveMs,
  'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
  // A new client must mean a new connection: a balancer chooses where it goes when it is made.
  'grpc.use_local_subchannel_pool': 1,
});

/** A replica that cannot help, and one that says nothing. Another may do better; the same call is repeated there. */
const elsewhereCodes: readonly number[] = [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED];

const NOTHING: Shown = { tls: null, token: null };

/**
 * Speaks to one replica at a time; without TLS in plain text. Connects at the first call and whenever it must again, and goes
 * on to the next address after a call that failed as calls to a replica in trouble do: a connection that stays may be all
 * that keeps it from the others.
 * @param options.address `HOST:PORT`, or several with commas between.
 * @param options.shows is asked at every call.
 */
export function createGrpcTransport(options: {
  readonly address: string;
  readonly shows?: () => Shown;
  readonly clock: Clock;
  readonly limits?: ConnectionLimits;
}): Transport {
  const { shows = () => NOTHING, limits = defaultLimits } = options;
  const addresses = createAddresses(options.address);
  const connect = (tls: Tls | null) => new Client(addresses.current(), toCredentials(tls), channelOptions(limits));
  let client: Client | null = null;
  let shown: Tls | null = null;
  /** Calls under way on the old connection end there. */
  const clientFor = (tls: Tls | null): Client => {
    if (client !== null && tls === shown) return client;
    client?.close();
    shown = tls;
    client = connect(tls);
    return client;
  };

  /** Calls that failed together go on once. */
  const goOn = (from: Client): void => {
    if (client !== from) return;
    client.close();
    client = null;
    addresses.next();
  };

  const unary =
    <Request, Reply>(method: Method<Request, Reply>) =>
    (request: Request, { deadlineMs, signal }: CallBounds): Promise<Answer<Reply>> =>
      new Promise((resolve) => {
        const deadline = options.clock.now().getTime() + deadlineMs;
        const { tls, token } = shows();
        const through = clientFor(tls);
        const call = through.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          bearing(token),
          { deadline },
          (error, reply) => {
            signal.removeEventListener('abort', cut);
            if (error !== null && elsewhereCodes.includes(error.code)) goOn(through);
            if (error !== null) resolve({ kind: 'failed', code: error.code, message: error.details });
            else if (reply === undefined) resolve({ kind: 'failed', code: 13, message: 'the answer was empty' });
            else resolve({ kind: 'answered', reply });
          },
        );
        const cut = (): void => call.cancel();
        if (signal.aborted) cut();
        else signal.addEventListener('abort', cut, { once: true });
      });

  return {
    createBotSession: unary(BotsService.createBotSession),
    updateBotSession: unary(BotsService.updateBotSession),
    postBotEvent: unary(BotsService.postBotEventTemp),
    reportTestResults: unary(ResultsService.reportTestResults),
    close: () => client?.close(),
  };
}

const bearing = (token: string | null): Metadata => {
  const metadata = new Metadata();
  if (token !== null) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
};

const toCredentials = (tls: Tls | null) =>
  tls === null
    ? credentials.createInsecure()
    : credentials.createSsl(tls.rootCertificates, tls.own?.privateKey ?? null, tls.own?.certificateChain ?? null);
