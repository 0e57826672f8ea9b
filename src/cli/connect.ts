/** The way to a farm: its gRPC door, as promises and async iterables over the generated definitions. */
import { Client, type ClientReadableStream } from '@grpc/grpc-js';
import { type CredentialOptions, openCredentials, type ShownByUs } from './credentials.ts';
import { farmFailure, isServiceError } from './errors.ts';

/** A command asks for little; a farm that needs longer is not well. */
const ANSWER_MS = 10_000;
/** A page of jobs carries their work. */
const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

/** The options that every command to a farm takes. */
export type FarmOptions = CredentialOptions & {
  readonly server: string;
  readonly instance: string;
  readonly output: 'table' | 'json';
};

/** A method of a generated service definition. */
export type Method<Q, R> = {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
};

export type FarmDoor = {
  /** Rejects with a Failure that says what to do. */
  readonly ask: <Q, R>(method: Method<Q, R>, request: Q) => Promise<R>;
  /** Ends when the farm ends it; cancelled when its reader leaves. No deadline, but the signal's. */
  readonly follow: <Q, R>(method: Method<Q, R>, request: Q, signal?: AbortSignal) => AsyncIterable<R>;
};

/** Opens the door, lets `use` go through it, and closes it, whatever happens. */
export const withFarm = async <T>(options: FarmOptions, use: (farm: FarmDoor) => Promise<T>): Promise<T> => {
  const { server } = options;
  const shown = openCredentials(options);
  const client = new Client(server, shown.channel, { 'grpc.max_receive_message_length': RECEIVE_BYTES_MAX });
  const way = { client, server, shown };
  try {
    return await use({
      ask: (method, request) => ask(way, method, request),
      follow: (method, request, signal) => follow(way, method, request, signal),
    });
  } finally {
    client.close();
  }
};

type Way = { readonly client: Client; readonly server: string; readonly shown: ShownByUs };

const ask = <Q, R>({ client, server, shown }: Way, method: Method<Q, R>, request: Q): Promise<R> =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      shown.metadata(),
      { deadline: new Date(Date.now() + ANSWER_MS) },
      (error, reply) => {
        if (error !== null) reject(farmFailure(error, server));
        else if (reply === undefined) reject(new Error(`${method.path} answered neither a reply nor an error`));
        else resolve(reply);
      },
    );
  });

async function* follow<Q, R>(
  { client, server, shown }: Way,
  method: Method<Q, R>,
  request: Q,
  signal?: AbortSignal,
): AsyncGenerator<R, void> {
  const call = client.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    shown.metadata(),
  );
  // Leaving the loop early cancels the call, and its CANCELLED then finds nobody else who listens.
  call.on('error', () => undefined);
  const leave = (): void => call.cancel();
  signal?.addEventListener('abort', leave);
  try {
    for await (const message of toMessages(call)) yield message;
  } catch (error) {
    if (signal?.aborted !== true) throw isServiceError(error) ? farmFailure(error, server) : error;
  } finally {
    signal?.removeEventListener('abort', leave);
    call.cancel();
  }
}

/** A grpc-js stream yields what its deserializer made; its declared iterator has forgotten that. */
function toMessages<R>(call: ClientReadableStream<R>): AsyncIterable<R> {
  return call as AsyncIterable<R>;
}

/** Most entries asked for at once. */
const PAGE_MAX = 200;

/** A list's pages, until there are no more or `limit` entries are there; 0: all of them. */
export const readPages = async <R, E>(
  limit: number,
  ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<R & { nextPageToken: string }>,
  entriesOf: (reply: R) => readonly E[],
): Promise<{ readonly entries: readonly E[]; readonly hasMore: boolean }> => {
  const entries: E[] = [];
  let pageToken = '';
  do {
    const wanted = limit === 0 ? PAGE_MAX : Math.min(PAGE_MAX, limit - entries.length);
    const reply = await ask({ pageSize: wanted, pageToken });
    entries.push(...entriesOf(reply).slice(0, wanted));
    pageToken = reply.nextPageToken;
  } while (pageToken !== '' && (limit === 0 || entries.length < limit));
  return { entries, hasMore: pageToken !== '' };
};
