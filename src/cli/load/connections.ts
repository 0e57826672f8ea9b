/** Several connections to a farm, shared by all that a run plays; an outage comes back as a value, since it is one of the figures. */
import { Client, type ClientUnaryCall, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Method } from '../connect.ts';
import { type CredentialOptions, openCredentials } from '../credentials.ts';
import { farmFailure } from '../errors.ts';

export type Answer<R> =
  { readonly kind: 'answered'; readonly reply: R } | { readonly kind: 'failed'; readonly error: ServiceError };

export type CallOptions = {
  readonly deadlineMs: number;
  /** Which connection; any number, they are taken in turn. */
  readonly through: number;
  /** A token to show instead of ours. */
  readonly token?: string | null;
};

export type Connections = {
  readonly call: <Q, R>(method: Method<Q, R>, request: Q, options: CallOptions) => Promise<Answer<R>>;
  /** For what must be known: asks replica after replica. @throws Failure with the words of the last one. */
  readonly ask: <Q, R>(method: Method<Q, R>, request: Q) => Promise<R>;
  readonly close: () => void;
};

/** A connection that died without a word is found out after this, and a farm that restarts is met again within seconds. */
const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  // Otherwise clients of one address share one connection.
  'grpc.use_local_subchannel_pool': 1,
};

const ANSWER_MS = 10_000;
/** A connection that led to no replica is passed over for so long, while there are others. */
const SHUN_MS = 1_000;

/** @param servers HOST:PORT each; connections are dealt out to them in turn. */
export const openConnections = (
  { servers, connections }: { readonly servers: readonly string[]; readonly connections: number },
  credentials: CredentialOptions,
): Connections => {
  const shown = openCredentials(credentials);
  const all = Array.from({ length: connections }, (_, index) => {
    const server = servers[index % servers.length] ?? '';
    return { client: new Client(server, shown.channel, channelOptions), shunnedUntilMs: 0 };
  });
  const metadataFor = (token: string | null | undefined): Metadata =>
    token === null || token === undefined ? shown.metadata() : bearing(token);

  const open = new Set<ClientUnaryCall>();
  const call = <Q, R>(method: Method<Q, R>, request: Q, options: CallOptions): Promise<Answer<R>> =>
    new Promise((resolve, reject) => {
      const connection = at(all, options.through);
      const calling = connection.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataFor(options.token),
        { deadline: Date.now() + options.deadlineMs },
        (error, reply) => {
          open.delete(calling);
          if (error?.code === status.UNAVAILABLE) connection.shunnedUntilMs = performance.now() + SHUN_MS;
          if (error !== null) resolve({ kind: 'failed', error });
          else if (reply === undefined) reject(new Error(`${method.path} answered neither a reply nor an error`));
          else resolve({ kind: 'answered', reply });
        },
      );
      open.add(calling);
    });

  const ask = async <Q, R>(method: Method<Q, R>, request: Q): Promise<R> => {
    for (let through = 0; ; through += 1) {
      const answer = await call(method, request, { through, deadlineMs: ANSWER_MS });
      if (answer.kind === 'answered') return answer.reply;
      // The first connections lead to one address each.
      if (through + 1 >= servers.length) throw farmFailure(answer.error, servers[through] ?? '');
    }
  };

  const close = (): void => {
    // Only what nobody waits for any more: a poll of a farm that is gone would keep the process.
    for (const calling of open) calling.cancel();
    for (const { client } of all) client.close();
  };
  return { call, ask, close };
};

type Connection = { readonly client: Client; shunnedUntilMs: number };

/** That one, or the next of those that have not failed lately; that one when all have. */
const at = (all: readonly Connection[], through: number): Connection => {
  const nowMs = performance.now();
  for (let step = 0; step < all.length; step += 1) {
    const next = all[(through + step) % all.length];
    if (next !== undefined && next.shunnedUntilMs <= nowMs) return next;
  }
  const found = all[through % all.length];
  if (found === undefined) throw new Error('there is no connection');
  return found;
};

const bearing = (token: string): Metadata => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
};
