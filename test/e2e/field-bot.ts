/**
 * The Bots service as a stranger meets it: a client made at run time from the published .proto files by the public loader.
 * It knows no code of ours; what it sends and gets are plain objects with the names of the .proto files.
 */
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface FieldLease {
  readonly id: string;
  readonly state: string;
  readonly payload?: { readonly type_url: string; readonly value: Uint8Array } | null;
  readonly status?: { readonly code: number; readonly message?: string } | null;
  readonly result?: { readonly type_url: string; readonly value: Uint8Array } | null;
}

export interface FieldSession {
  readonly name?: string;
  readonly bot_id: string;
  readonly status: string;
  readonly worker?: object;
  readonly leases?: readonly FieldLease[];
}

/** What a reply has: whatever was left out has its default. */
export type FieldReply = Required<Pick<FieldSession, 'name' | 'bot_id' | 'status' | 'leases'>> & FieldSession;

export interface FieldBot {
  /** Without a deadline unless one is given. Rejects with grpc-js' own error. */
  readonly create: (parent: string, session: FieldSession, deadlineMs?: number) => Promise<FieldReply>;
  readonly update: (session: FieldSession, deadlineMs?: number) => Promise<FieldReply>;
  readonly close: () => void;
}

const protos = fileURLToPath(new URL('../../protos/', import.meta.url));
const declared = loadSync('google/devtools/remoteworkers/v1test2/bots.proto', {
  includeDirs: [protos],
  keepCase: true,
  enums: String,
  defaults: true,
});

type Method = (
  request: object,
  options: { readonly deadline?: number },
  answer: (error: ServiceError | null, reply: FieldReply) => void,
) => void;

type Loaded = new (
  address: string,
  access: object,
  options: object,
) => { readonly CreateBotSession: Method; readonly UpdateBotSession: Method; readonly close: () => void };

/** @param connection bots with the same number may share one; others have their own. */
export function openFieldBot(address: string, connection = 0): FieldBot {
  // What the loader makes is typed by nobody; the .proto file says what it is.
  const { google } = loadPackageDefinition(declared) as unknown as {
    google: { devtools: { remoteworkers: { v1test2: { Bots: Loaded } } } };
  };
  const { Bots } = google.devtools.remoteworkers.v1test2;
  const options = {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    // Channels of equal options share their connections.
    'stationgrid.test.connection': connection,
  };
  const client = new Bots(address, credentials.createInsecure(), options);
  const call = (method: Method, request: object, deadlineMs?: number): Promise<FieldReply> =>
    new Promise((resolve, reject) => {
      const bound = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      method.call(client, request, bound, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(error);
      });
    });
  return {
    create: (parent, session, deadlineMs) =>
      call(client.CreateBotSession, { parent, bot_session: session }, deadlineMs),
    update: (session, deadlineMs) =>
      call(client.UpdateBotSession, { name: session.name, bot_session: session }, deadlineMs),
    close: () => client.close(),
  };
}
