/** One call to a partner's shopfloor over HTTP, and what can be known of it afterwards. */
import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../core/clock.ts';
import { redactText } from '../wire/redact.ts';
import type { Malformed, XmlRpcMessage, XmlRpcValue } from '../wire/xml-rpc.ts';
import { BODY_MAX_BYTES, createXmlRpcReader, DEFAULT_LIMITS, isXmlRpcStruct, toResponse } from '../wire/xml-rpc.ts';
import { toShopfloorUrl } from './shopfloor-url.ts';

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

export interface ShopfloorClientOptions {
  /** As `toShopfloorUrl` reads it; one that it calls unsupported is thrown here. */
  readonly url: string;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly callTimeoutMs?: number;
  readonly bodyMaxBytes?: number;
}

export interface CallOptions {
  readonly idempotencyKey: string;
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
  /** Closes the idle connections; calls under way end as ambiguous. */
  close(): void;
}

export function createShopfloorClient(options: ShopfloorClientOptions): ShopfloorClient {
  const { clock, callTimeoutMs = CALL_TIMEOUT_MS, bodyMaxBytes = BODY_MAX_BYTES } = options;
  const target = toShopfloorUrl(options.url);
  if (target.kind === 'unsupported') throw new Error(target.why);
  const { url } = target;
  const scheme = url.protocol === 'https:' ? https : http;
  const agent = new scheme.Agent({
    keepAlive: true,
    maxFreeSockets: SOCKETS_IDLE_MAX,
    timeout: SOCKET_IDLE_MS,
  });

  return {
    call: (method, body, { idempotencyKey, signal }) =>
      new Promise<Outcome>((resolve) => {
        const request = scheme.request(url, {
          method: 'POST',
          agent,
          headers: {
            'Content-Type': 'text/xml; charset=utf-8',
            // Always a length, never chunks: the usual Python server cannot read those (S-WIRE-1).
            'Content-Length': Buffer.byteLength(body),
            'User-Agent': 'StationGrid',
            'Idempotency-Key': idempotencyKey,
          },
        });
        const watch = watchExchange(request, { method, bodyMaxBytes }, (outcome) => {
          deadline.abort();
          signal?.removeEventListener('abort', giveUp);
          resolve(outcome);
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
      }),
    close: () => {
      agent.destroy();
    },
  };
}

interface ExchangeWatch {
  /** Ends the exchange, if it has not ended: refused when nothing was sent, otherwise ambiguous. */
  fail(why: string): void;
}

interface Asked {
  readonly method: string;
  readonly bodyMaxBytes: number;
}

/** Follows one request to its end and says once what became of it. */
function watchExchange(
  request: http.ClientRequest,
  asked: Asked,
  onOutcome: (outcome: Outcome) => void,
): ExchangeWatch {
  let sent = false;
  let over = false;

  function settle(outcome: Outcome): void {
    if (over) return;
    over = true;
    onOutcome(outcome);
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
    readAnswer(response, asked, settle, fail);
  });
  return { fail };
}

function readAnswer(
  response: http.IncomingMessage,
  { method, bodyMaxBytes }: Asked,
  settle: (outcome: Outcome) => void,
  fail: (why: string) => void,
): void {
  if (response.statusCode !== 200) {
    // A redirect too: the partner's address is configured, and a call must not wander off to another one.
    fail(`HTTP status ${String(response.statusCode)} instead of 200`);
    return;
  }
  if (Number(response.headers['content-length'] ?? 0) > bodyMaxBytes) {
    fail(`the answer is larger than ${String(bodyMaxBytes)} bytes`);
    return;
  }
  const reader = createXmlRpcReader({ ...DEFAULT_LIMITS, bodyMaxBytes });
  response.on('data', (chunk: Buffer) => {
    const malformed = reader.write(chunk);
    if (malformed !== null) fail(sayUnreadable(malformed));
  });
  response.on('error', (error: NodeJS.ErrnoException) => {
    fail(`the answer broke off (${error.code ?? error.message})`);
  });
  response.on('end', () => {
    // A peer that sends no length ends its answer by closing; a cut one is then unclosed XML, and unreadable.
    const outcome = outcomeOf(method, reader.end());
    if (outcome.kind === 'ambiguous') fail(outcome.why);
    else settle(outcome);
  });
}

/** What a complete answer to a call says, whatever carried it here. */
export function outcomeOf(method: string, message: XmlRpcMessage | Malformed): Outcome {
  const answer = toResponse(message);
  switch (answer.kind) {
    case 'value':
      return toDeviceDataOutcome(method, answer.value);
    case 'fault':
      return { kind: 'fault', code: answer.code, text: redactText(answer.text) };
    case 'malformed':
      return { kind: 'ambiguous', why: sayUnreadable(answer) };
  }
}

/** Every method but GetVersion answers DeviceData. A service whose own backend is down answers nil (S-BR-3). */
function toDeviceDataOutcome(method: string, value: XmlRpcValue): Outcome {
  if (method === 'GetVersion' || isXmlRpcStruct(value)) return { kind: 'answered', value };
  return { kind: 'fault', code: NO_DATA_FAULT_CODE, text: 'service returned no data' };
}

function sayUnreadable(malformed: Malformed): string {
  return `the answer cannot be read: ${redactText(malformed.why)}`;
}
