/** A real grpc-js server that answers what a test wrote down, and remembers what it was asked. */
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.ts';
import { Status } from '../../src/gen/google/rpc/status.ts';
import { FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import { JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import { ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { UnitsService } from '../../src/gen/stationgrid/v1/units.ts';

const services = { ...JobsService, ...FleetService, ...ShopfloorService, ...ResultsService, ...UnitsService };

type Definitions = typeof services;
type MethodName = keyof Definitions;
type RequestOf<M extends MethodName> = ReturnType<Definitions[M]['requestDeserialize']>;
type ReplyOf<M extends MethodName> = ReturnType<Definitions[M]['responseDeserialize']>;

/** A unary method's answer to its request, or a refusal thrown; a stream's messages, and its end. */
export type Canned = {
  readonly [M in MethodName]?: Definitions[M]['responseStream'] extends true
    ? (request: RequestOf<M>, call: ServerWritableStream<RequestOf<M>, ReplyOf<M>>) => void
    : (request: RequestOf<M>) => ReplyOf<M>;
};

export type CannedFarm = {
  readonly address: string;
  /** Requests in the order of their coming. */
  readonly asked: readonly { readonly method: string; readonly request: unknown }[];
  readonly stop: () => void;
};

export const startCannedFarm = async (canned: Canned): Promise<CannedFarm> => {
  const asked: { method: string; request: unknown }[] = [];
  const server = new Server();
  const handlers = Object.fromEntries(
    Object.entries(canned).map(([method, answer]) => [
      method,
      handlerOf(method as MethodName, answer as Answer, asked),
    ]),
  );
  const definitions = Object.fromEntries(Object.entries(services).filter(([method]) => method in canned));
  server.addService(definitions, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${String(port)}`, asked, stop: () => server.forceShutdown() };
};

type Answer = (request: unknown, call: unknown) => unknown;

const handlerOf = (
  method: MethodName,
  answer: Answer,
  asked: { method: string; request: unknown }[],
): UntypedHandleCall =>
  services[method].responseStream
    ? (call: ServerWritableStream<unknown, unknown>) => {
        asked.push({ method, request: call.request });
        answer(call.request, call);
      }
    : (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
        asked.push({ method, request: call.request });
        try {
          reply(null, answer(call.request, call));
        } catch (error) {
          reply(error as { code: status; details: string; metadata: Metadata });
        }
      };

/** A refusal as farms send it: a status, and ErrorInfo beside it. */
export const refusal = (
  code: status,
  words: string,
  { reason, retrySeconds }: { readonly reason?: string; readonly retrySeconds?: number } = {},
): Error => {
  const details = [
    ...(reason === undefined
      ? []
      : [any('ErrorInfo', ErrorInfo.encode({ reason, domain: 'stationgrid', metadata: {} }).finish())]),
    ...(retrySeconds === undefined
      ? []
      : [any('RetryInfo', RetryInfo.encode({ retryDelay: { seconds: BigInt(retrySeconds), nanos: 0 } }).finish())]),
  ];
  const metadata = new Metadata();
  if (details.length > 0) {
    metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message: words, details }).finish()));
  }
  return Object.assign(new Error(words), { code, details: words, metadata });
};

const any = (name: string, value: Uint8Array) => ({
  typeUrl: `type.googleapis.com/google.rpc.${name}`,
  value: Buffer.from(value),
});
