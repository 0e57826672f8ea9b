/** The HTTP side of the reference shopfloor: bodies in, answers and silences out. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import { BODY_MAX_BYTES } from '../wire/xml-rpc.ts';
import type { ControlDoor } from './control.ts';
import type { Defects } from './defects.ts';
import type { Answer, Desk } from './desk.ts';
import { answerUnreadable } from './desk.ts';
import { hear, type Spoken } from './spoken.ts';

/** Longer than a client's idle connections, so that it is they who close. */
const KEEP_ALIVE_MS = 65_000;
const REQUEST_TIMEOUT_MS = 30_000;

export interface HttpDoorOptions {
  readonly desk: Desk;
  readonly control: ControlDoor;
  readonly defects: Defects;
  /** Every argument and every result is a JSON text, as callers whose address begins with `json:` have it. */
  readonly jsonText: boolean;
  readonly refuseFor: (ms: number) => void;
}

/** A server that does not listen yet. It reads what upstream sends: HTTP/1.0, a `Host` without port or none, chunks. */
export function createHttpDoor(options: HttpDoorOptions): http.Server {
  return http.createServer(
    { requireHostHeader: false, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      serve(options, request, response).catch((error: unknown) => {
        // A journal that cannot be written, for one: the call was not applied, and no fault says so.
        const why = error instanceof Error ? error.message : 'internal error';
        if (response.headersSent) response.destroy();
        else say(response, 500, `${why}\n`, { 'Content-Type': 'text/plain; charset=utf-8' });
      });
    },
  );
}

async function serve(
  options: HttpDoorOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*$/s, '').replace(/(?<=^\/|[^/])\/+$/, '');
  const body = await readBody(request);
  if (body === 'cut') return;
  if (body === 'too large') {
    say(response, 413, `a call is at most ${BODY_MAX_BYTES} bytes\n`, { Connection: 'close' });
    return;
  }
  if (path === '/control' || path.startsWith('/control/')) {
    const { status, contentType, body: said, refuseForMs } = await options.control.answer(request, path, body);
    if (refuseForMs !== null) response.once('finish', () => options.refuseFor(refuseForMs));
    say(response, status, said, { 'Content-Type': contentType });
    return;
  }
  if (path !== '/' && path !== '/RPC2') {
    say(response, 404, 'calls go to / or /RPC2\n');
    return;
  }
  if (request.method !== 'POST') {
    say(response, 405, 'calls are sent by POST\n', { Allow: 'POST' });
    return;
  }
  const refused = options.defects.refuseRequest(request, path, body.byteLength);
  if (refused?.kind === 'status') say(response, refused.status, `${refused.why}\n`);
  else if (refused?.kind === 'cut') request.socket.destroy();
  else {
    const spoken = hear(body, options);
    send(options, { request, response, spoken }, await answer(options, request, { body, spoken }));
  }
}

async function answer(
  { desk, defects }: HttpDoorOptions,
  request: http.IncomingMessage,
  { body, spoken: { call } }: { readonly body: Buffer; readonly spoken: Spoken },
): Promise<Answer> {
  if (call.kind === 'malformed') return answerUnreadable(call.why);
  const header = request.headers['idempotency-key'];
  const key = typeof header === 'string' && header !== '' ? header : null;
  const refused = await defects.refuseCall(call, { body, key });
  if (refused !== null) return refused === 'cut' ? { kind: 'hang-up' } : refused;
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  const said = await desk.take({ method: call.method, params: call.params, key, bodySha256 });
  return said.kind === 'value' || said.kind === 'fault' ? defects.spoilAnswer(call, said) : said;
}

interface Exchange {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly spoken: Spoken;
}

function send(options: HttpDoorOptions, { request, response, spoken }: Exchange, said: Answer): void {
  const { contentType } = spoken;
  switch (said.kind) {
    case 'value':
    case 'fault': {
      const { text, status } = options.defects.spoilText(spoken.encode(said), said.kind);
      say(response, status, text, { 'Content-Type': contentType });
      return;
    }
    case 'garbage':
      say(response, 200, said.text, { 'Content-Type': contentType });
      return;
    case 'hang-up':
      request.socket.destroy();
      return;
    case 'reset':
      request.socket.resetAndDestroy();
      if (said.refuseForMs > 0) options.refuseFor(said.refuseForMs);
      return;
  }
}

function say(
  response: http.ServerResponse,
  status: number,
  body: string,
  headers: http.OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

/** `cut`: the caller went away in the middle of it. */
function readBody(request: http.IncomingMessage): Promise<Buffer | 'too large' | 'cut'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > BODY_MAX_BYTES) resolve('too large');
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('close', () => resolve('cut'));
    request.on('error', () => resolve('cut'));
  });
}
