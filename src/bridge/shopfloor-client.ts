/** One call to a partner's shopfloor over HTTP, and what can be known of it afterwards. */
import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../core/clock.ts';
import { redactText } from '../wire/redact.ts';
import type { Malformed, XmlRpcFault, XmlRpcMessage, XmlRpcResult, XmlRpcValue } from '../wire/xml-rpc.ts';
import { BODY_MAX_BYTES, isXmlRpcStruct, toResponse } from '../wire/xml-rpc.ts';
import { toShopfloorUrl } from '../core/shopfloor-url.ts';
import { type AnswerReader, dialectOf } from './dialect.ts';

/** How long a call may take, from the first look-up of the name to the last byte of the answer. */
export const CALL_TIMEOUT_MS = 10_000;
/** An idle connection is closed by us before most servers close it (5 s), so that few calls meet a closing one. */
const SOCKET_IDLE_MS = 4_000;
const SOCKETS_IDLE_MAX = 16;
/** Ours for an answer that is no answer: upstream's code for every failure of the service behind it. */
export const NO_DATA_FAULT_CODE = -32500;

/** What became of a call. Which of them may be sent again at once, and which may have been applied, is the point. */
export type Outcome =
  | { readonly kind: 'answered'; readonly value: XmlRpcValue }
  /** The shopfloor read the call and said no. The text may be empty and is free of registration codes. */
  | { readonly kind: 'fault'; readonly code: number; readonly text: string }
  /** Not a byte of it was sent: certainly not applied. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It was sent, and no readable answer came: it may have been applied. */
  | { readonly kind: 'ambiguous'; readonly why: string };

/** The same, before it is judged whether the value is what the method must answer. */
export type Exchange = XmlRpcResult | Exclude<Outcome, { readonly kind: 'answered' }>;

export interface ShopfloorClientOptions {
  /** As `toShopfloorUrl` reads it; one that it calls unsupported is thrown here. */
  readonly url: string;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly callTimeoutMs?: number;
  readonly bodyMaxBytes?: number;
  /** False: each call has a connection of its own. */
  readonly keepsConnections?: boolean;
}

export interface CallOptions {
  readonly idempotencyKey: string;
  /** Of the send, as W3C Trace Context has it; absent: not traced. */
  readonly traceparent?: string;
  /** Gives the call up; what is then known of it is still answered. */
  readonly signal?: AbortSignal;
}

export interface ShopfloorClient {
  /**
   * Sends one rendered call. Never throws for what a peer does.
   *
   * @param body the XML of the call, as `renderCall` made it.
   */
  call(method: string, body: string, options: CallOptions): Promise<Outcome>;
  /** The same, with whatever value came back. */
  exchange(body: string, options: CallOptions): Promise<Exchange>;
  /** Closes the idle connections; calls under way end as ambiguous. */
  close(): void;
}

export function createShopfloorClient(options: ShopfloorClientOptions): ShopfloorClient {
  const { clock, callTimeoutMs = CALL_TIMEOUT_MS, bodyMaxBytes = BODY_MAX_BYTES, keepsConnections = true } = options;
  const target = toShopfloorUrl(options.url);
  if (target.kind === 'unsupported') throw new Error(target.why);
  const { url } = target;
  const dialect = dialectOf(target);
  const scheme = url.protocol === 'https:' ? https : http;
  const agent = new scheme.Agent({
    keepAlive: keepsConnections,
    maxFreeSockets: SOCKETS_IDLE_MAX,
    timeout: SOCKET_IDLE_MS,
  });

  const exchange = (journalled: string, { idempotencyKey, traceparent, signal }: CallOptions): Promise<Exchange> =>
    new Promise((resolve) => {
      const body = dialect.render(journalled, idempotencyKey);
      const request = scheme.request(url, {
        method: 'POST',
        agent,
        headers: {
          'Content-Type': dialect.contentType,
          // Always a length, never chunks: the usual Python server cannot read those (S-WIRE-1).
          'Content-Length': Buffer.byteLength(body),
          'User-Agent': 'StationGrid',
          'Idempotency-Key': idempotencyKey,
          ...(traceparent === undefined ? {} : { traceparent }),
        },
      });
      const reader = dialect.createReader(idempotencyKey, bodyMaxBytes);
      const expected = { reader, bodyMaxBytes, errorsByStatus: dialect.errorsByStatus };
      const watch = watchExchange(request, expected, (ended) => {
        deadline.abort();
        signal?.removeEventListener('abort', giveUp);
        resolve(ended);
      });
      const deadline = new AbortController();
      const giveUp = (): void => {
        watch.fail('the call was given up by the farm');
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      if (signal?.aborted === true) giveUp();
      // Also resolves when the call is over, and then changes nothing.
      void clock.sleep(callTimeoutMs, deadline.signal).then(() => {
        watch.fail(`no complete answer within ${String(callTimeoutMs)} ms`);
      });
      request.end(body);
    });

  return {
    exchange,
    call: async (method, body, callOptions) => toOutcome(method, await exchange(body, callOptions)),
    close: () => {
      agent.destroy();
    },
  };
}

interface ExchangeWatch {
  /** Ends the exchange, if it has not ended: refused when nothing was sent, otherwise ambiguous. */
  fail(why: string): void;
}

/** What may come back, and who reads it. */
interface Expected {
  readonly reader: AnswerReader;
  readonly bodyMaxBytes: number;
  /** Whether a fault may come with another HTTP status than 200. */
  readonly errorsByStatus: boolean;
}

/** Follows one request to its end and says once what became of it. */
function watchExchange(
  request: http.ClientRequest,
  expected: Expected,
  onEnd: (ended: Exchange) => void,
): ExchangeWatch {
  let sent = false;
  let over = false;

  function settle(ended: Exchange): void {
    if (over) return;
    over = true;
    onEnd(ended);
  }
  function fail(why: string): void {
    // After a good end the connection is kept for the next call.
    if (over) return;
    settle({ kind: sent ? 'ambiguous' : 'refused', why });
    request.destroy();
  }

  request.on('socket', (socket) => {
    // On a kept connection the call counts as sent from the start. The peer may have closed it already, and our bytes
    // may then have met nobody; but a peer that read the call, applied it and died looks exactly the same from here,
    // and calling that "not applied" would break the order of a lane. A new connection carries no byte of HTTP before
    // it is up (with TLS: before the handshake is done), so until then the call is certainly not applied.
    if (!socket.connecting) {
      sent = true;
      return;
    }
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      sent = true;
    });
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    const code = error.code ?? error.message;
    fail(sent ? `the connection broke before a complete answer (${code})` : `no connection (${code})`);
  });
  request.on('close', () => {
    fail('the connection was closed without a complete answer');
  });
  request.on('response', (response) => {
    readAnswer(response, expected, settle, fail);
  });
  return { fail };
}

function readAnswer(
  response: http.IncomingMessage,
  { reader, bodyMaxBytes, errorsByStatus }: Expected,
  settle: (ended: Exchange) => void,
  fail: (why: string) => void,
): void {
  // A redirect too: the partner's address is configured, and a call must not wander off to another one.
  const badStatus = response.statusCode === 200 ? null : `HTTP status ${String(response.statusCode)} instead of 200`;
  if (badStatus !== null && !errorsByStatus) {
    fail(badStatus);
    return;
  }
  if (Number(response.headers['content-length'] ?? 0) > bodyMaxBytes) {
    fail(`the answer is larger than ${String(bodyMaxBytes)} bytes`);
    return;
  }
  response.on('data', (chunk: Buffer) => {
    const malformed = reader.write(chunk);
    if (malformed !== null) fail(badStatus ?? sayUnreadable(malformed));
  });
  response.on('error', (error: NodeJS.ErrnoException) => {
    fail(`the answer broke off (${error.code ?? error.message})`);
  });
  response.on('end', () => {
    // A peer that sends no length ends its answer by closing; a cut one is then unclosed, and unreadable.
    const ended = toExchange(reader.end(badStatus === null));
    if (badStatus !== null && ended.kind !== 'fault') fail(badStatus);
    else if (ended.kind === 'ambiguous') fail(ended.why);
    else settle(ended);
  });
}

/** What a complete answer to a call says, whatever carried it here. */
export function outcomeOf(method: string, message: XmlRpcMessage | Malformed): Outcome {
  return toOutcome(method, toExchange(toResponse(message)));
}

function toExchange(answer: XmlRpcResult | XmlRpcFault | Malformed): Exchange {
  switch (answer.kind) {
    case 'value':
      return answer;
    case 'fault':
      return { kind: 'fault', code: answer.code, text: redactText(answer.text) };
    case 'malformed':
      return { kind: 'ambiguous', why: sayUnreadable(answer) };
  }
}

/** Every method but GetVersion answers DeviceData. A service whose own backend is down answers nil (S-BR-3). */
function toOutcome(method: string, exchange: Exchange): Outcome {
  if (exchange.kind !== 'value') return exchange;
  const { value } = exchange;
  if (method === 'GetVersion' || isXmlRpcStruct(value)) return { kind: 'answered', value };
  return { kind: 'fault', code: NO_DATA_FAULT_CODE, text: 'service returned no data' };
}

function sayUnreadable(malformed: Malformed): string {
  return `the answer cannot be read: ${redactText(malformed.why)}`;
}
