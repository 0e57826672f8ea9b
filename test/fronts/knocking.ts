/** Knocks on a method of a door with any credentials and any bytes, and says how it was answered in words of both doors. */
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import { ErrorInfo } from '../../src/gen/google/rpc/error_details.ts';
import { Status } from '../../src/gen/google/rpc/status.ts';

/** `passed`: the doorkeeper let it through, whatever the farm then said. */
export type Verdict =
  'passed' | 'unauthenticated' | 'forbidden' | 'unknown session' | 'too big' | 'too slow' | 'broken';

export type Said = {
  readonly verdict: Verdict;
  /** Everything that a caller can see of a refusal: code, words, and what goes with them. */
  readonly all: string;
};

export type Method = {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
};

const headersOf = (bearer: string | null): Record<string, string> =>
  bearer === null ? {} : { authorization: `Bearer ${bearer}` };

const asIs = (bytes: Buffer): Buffer => bytes;

/** Of a stream its first message is answer enough. */
export const knockGrpc = (client: Client, method: Method, bytes: Buffer, bearer: string | null): Promise<Said> =>
  new Promise((resolve) => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headersOf(bearer))) metadata.set(name, value);
    const options = { deadline: Date.now() + 20_000 };
    if (!method.requestStream && !method.responseStream) {
      const call = client.makeUnaryRequest(method.path, asIs, asIs, bytes, metadata, options, () => undefined);
      call.on('status', (status) => resolve(saidOf(status)));
      return;
    }
    const stream = method.requestStream
      ? client.makeBidiStreamRequest(method.path, asIs, asIs, metadata, options)
      : null;
    const call = stream ?? client.makeServerStreamRequest(method.path, asIs, asIs, bytes, metadata, options);
    call.on('error', () => undefined);
    call.on('data', () => {
      resolve({ verdict: 'passed', all: 'a message' });
      call.cancel();
    });
    call.on('status', (status) => resolve(saidOf(status)));
    stream?.write(bytes);
    stream?.end();
  });

const saidOf = ({ code, details, metadata }: StatusObject): Said => {
  const [packed] = metadata.get('grpc-status-details-bin');
  const told = packed instanceof Buffer ? Status.decode(packed).details : [];
  const info = told.find(({ typeUrl }) => typeUrl.endsWith('ErrorInfo'));
  const { reason = '', metadata: facts = {} } = info === undefined ? {} : ErrorInfo.decode(info.value);
  const kinds = told.map(({ typeUrl }) => typeUrl);
  const names = Object.keys(metadata.getMap()).filter((name) => name !== 'date');
  return {
    verdict: grpcVerdict(code, reason),
    all: JSON.stringify({ code, details, reason, facts, kinds, names: names.sort() }),
  };
};

const grpcVerdict = (code: number, reason: string): Verdict => {
  if (code === 16) return 'unauthenticated';
  if (code === 7) return 'forbidden';
  if (reason === 'SESSION_UNKNOWN') return 'unknown session';
  // INTERNAL, UNKNOWN, UNIMPLEMENTED, DEADLINE_EXCEEDED.
  if ([13, 2, 12, 4].includes(code)) return 'broken';
  if (reason === 'REQUEST_TOO_SLOW') return 'too slow';
  return code === 8 && reason === '' ? 'too big' : 'passed';
};

/** Says how long the message is, sends a part of it, and then nothing. */
export const dawdleGrpc = (port: number, { path }: Method, bearer: string | null): Promise<Said> =>
  new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headersOf(bearer),
    });
    let code = '';
    let details = '';
    const take = (headers: http2.IncomingHttpHeaders): void => {
      code = headers['grpc-status']?.toString() ?? code;
      details = headers['grpc-message']?.toString() ?? details;
    };
    stream.on('response', take).on('trailers', take);
    stream.on('error', () => undefined);
    stream.resume().on('end', () => {
      session.destroy();
      const slow = /had not arrived|Nothing whole came/.test(decodeURIComponent(details));
      resolve({ verdict: grpcVerdict(Number(code), slow ? 'REQUEST_TOO_SLOW' : ''), all: `${code} ${details}` });
    });
    stream.write(Buffer.from([0, 0, 0, 0, 100, 1, 2, 3]));
  });

export type Ask = { readonly method: string; readonly path: string; readonly body?: unknown };

export const knockHttp = (
  port: number,
  { method, path, body }: Ask,
  bearer: string | null,
  headers: http.OutgoingHttpHeaders = {},
): Promise<Said> => {
  const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const request = http.request({
    ...{ port, host: '127.0.0.1', method, path, agent: false },
    headers: {
      ...(bytes === null ? {} : { 'content-type': 'application/json', 'content-length': bytes.byteLength }),
      ...headersOf(bearer),
      ...headers,
    },
  });
  const said = answerTo(request);
  request.end(bytes ?? undefined);
  return said;
};

/** Half a request: of one that has a body not all of it, of another not all of its head. */
export const dawdleHttp = (port: number, { method, path }: Ask, bearer: string | null): Promise<Said> =>
  new Promise((resolve, reject) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const kept = { host: '127.0.0.1', ...headersOf(bearer), ...(hasBody ? BODY_TO_COME : {}) };
    const head = Object.entries(kept).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}${hasBody ? '\r\n{' : ''}`);
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('error', reject).on('close', () => {
      resolve({ verdict: httpVerdict(Number(text.split(' ')[1]), text), all: text });
    });
  });

const BODY_TO_COME = { 'content-type': 'application/json', 'content-length': '100' };

const answerTo = (request: http.ClientRequest): Promise<Said> =>
  new Promise((resolve, reject) => {
    let isAnswered = false;
    request.on('response', (response) => {
      isAnswered = true;
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      // A stream may have no end; that it has begun is answer enough.
      if (/ndjson|event-stream/.test(response.headers['content-type'] ?? '')) request.destroy();
      response.on('error', () => undefined);
      response.on('close', () => {
        const { statusCode = 0 } = response;
        const { date: _date, ...shown } = response.headers;
        resolve({ verdict: httpVerdict(statusCode, text), all: JSON.stringify([statusCode, shown, text]) });
      });
    });
    // Of a request that is answered before it was read, the rest may meet a closed connection.
    request.on('error', (error) => {
      if (!isAnswered) reject(error);
    });
  });

const httpVerdict = (status: number, text: string): Verdict => {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 408) return 'too slow';
  if (status === 413 || status === 431) return 'too big';
  if (text.includes('"SESSION_UNKNOWN"')) return 'unknown session';
  return status >= 500 || status === 405 || text.includes('"NO_SUCH_PATH"') ? 'broken' : 'passed';
};

export const openClient = (port: number): Client => new Client(`127.0.0.1:${port}`, credentials.createInsecure());
