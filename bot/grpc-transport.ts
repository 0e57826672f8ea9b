import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { BotsService } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { ResultsService } from '../src/gen/stationgrid/v1/results.ts';
import type { Clock } from './clock.ts';
import type { Answer, CallBounds, Transport } from './transport.ts';

/** PEM bytes. Without a key and certificate of its own, the bot shows the farm none. */
export type Tls = {
  readonly rootCertificates: Buffer | null;
  readonly own: { readonly privateKey: Buffer; readonly certificateChain: Buffer } | null;
};

type Method<Request, Reply> = {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Reply;
};

// A farm that restarts is met again within seconds (the library's own bound is two minutes), and a connection that
// died without a word, as behind a firewall that forgot it, is found out before the bot would have to fence itself.
const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** Speaks to `HOST:PORT`; without `tls` in plain text. Connects at the first call and whenever it must again. */
export function createGrpcTransport(options: { address: string; tls?: Tls | null; clock: Clock }): Transport {
  const client = new Client(options.address, toCredentials(options.tls ?? null), channelOptions);

  const unary =
    <Request, Reply>(method: Method<Request, Reply>) =>
    (request: Request, { deadlineMs, signal }: CallBounds): Promise<Answer<Reply>> =>
      new Promise((resolve) => {
        const deadline = options.clock.now().getTime() + deadlineMs;
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          new Metadata(),
          { deadline },
          (error, reply) => {
            signal.removeEventListener('abort', cut);
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
    close: () => client.close(),
  };
}

const toCredentials = (tls: Tls | null) =>
  tls === null
    ? credentials.createInsecure()
    : credentials.createSsl(tls.rootCertificates, tls.own?.privateKey ?? null, tls.own?.certificateChain ?? null);
