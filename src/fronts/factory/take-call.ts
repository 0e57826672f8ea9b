/** One call of XML-RPC: read as it comes, admitted, done once, answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission, Origin } from '../../farm/admit.ts';
import type { FarmSeams } from '../../farm/farm.ts';
import type { Depot } from '../../uploads/depot.ts';
import { encodeResponse } from '../../wire/xml-rpc.ts';
import { filled } from './arguments.ts';
import type { FactoryCounts } from './counts.ts';
import type { Caller, Method, Methods } from './methods.ts';
import { type CallRead, readCall } from './read-call.ts';
import { fault, FAULT, type Said, saidOf } from './refuse.ts';
import type { Resends } from './resends.ts';
import { say } from './say.ts';

export type Calls = { readonly take: (request: IncomingMessage, response: ServerResponse) => Promise<void> };

export type CallParts = {
  readonly farm: FarmSeams;
  readonly admission: Admission;
  readonly depot: Depot;
  readonly counts: FactoryCounts;
  readonly methods: Methods;
  readonly resends: Resends;
};

/** Of a name that is no method: names that clients invent would be series without end. */
const OTHER = 'other';

type Call = Extract<CallRead, { kind: 'call' }>;
type Handled = { readonly said: Said; readonly method: string; readonly isRepeat: boolean };

export const createCalls = (parts: CallParts): Calls => {
  const { farm, counts, depot } = parts;
  const { limits, clock, log } = farm;
  let underWay = 0;

  const onBug = (error: unknown): void => {
    log.error({ err: error }, 'a call to the factory door failed by a fault of ours');
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<Handled | null> => {
    const reading = readCall(request, depot, limits);
    const over = (): void => {
      reading.over().catch(onBug);
    };
    const read = await reading
      .read()
      .catch((error: unknown) => ({ kind: 'failed', said: saidOf(error, onBug) }) as const);
    if (read.kind !== 'call') over();
    switch (read.kind) {
      case 'gone':
        return null;
      case 'failed':
        return { said: read.said, method: OTHER, isRepeat: false };
      case 'malformed':
        return { said: unreadable(read.why), method: OTHER, isRepeat: false };
      case 'call':
        // Nothing is to be written any more while the call is done, however long that takes.
        request.socket.setTimeout(0);
        return begin(parts, { request, response, read, onBug, over });
    }
  };

  return {
    take: async (request, response) => {
      if (underWay >= limits.factory.callsAtOnceMax) {
        sendLater(response, `This replica has ${underWay} calls under way, which is its limit.`, BUSY_RETRY_MS);
        return;
      }
      underWay += 1;
      const beganMs = clock.monotonicMs();
      try {
        const handled = await handle(request, response);
        if (handled === null) return;
        send(request, response, handled.said);
        const outcome = handled.isRepeat ? 'repeat' : outcomes[handled.said.kind];
        counts.called({ method: handled.method, outcome, seconds: (clock.monotonicMs() - beganMs) / 1000 });
      } finally {
        underWay -= 1;
      }
    },
  };
};

const BUSY_RETRY_MS = 1_000;
const outcomes = { answer: 'answered', fault: 'fault', later: 'later' } as const;

const unreadable = (why: string): Said => fault(FAULT.unreadable, `Can't deserialize input: ${why}`);

const begin = async (
  parts: CallParts,
  given: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly read: Call;
    readonly onBug: (error: unknown) => void;
    readonly over: () => void;
  },
): Promise<Handled> => {
  const { request, response, read, onBug, over } = given;
  const { method: name, params } = read.call;
  const method = parts.methods.get(name);
  if (method === undefined) {
    over();
    return { said: fault(FAULT.noSuchMethod, name), method: OTHER, isRepeat: false };
  }
  const peer = addressOf(request);
  const run = async (): Promise<Said> => {
    try {
      const caller = { peer, host: request.headers.host ?? null, binaries: read.binaries };
      return await perform(parts.admission, method, { name, params, caller, origin: originOf(request, peer) });
    } catch (error) {
      return saidOf(error, onBug);
    } finally {
      over();
    }
  };
  if (!method.hasEffect) return { said: await run(), method: name, isRepeat: false };
  const { said, isRepeat } = parts.resends.once(`${peer} ${name} ${read.sha256()}`, response, run);
  if (isRepeat) over();
  return { said: await said, method: name, isRepeat };
};

const perform = async (
  admission: Admission,
  method: Method,
  call: {
    readonly name: string;
    readonly params: Call['call']['params'];
    readonly caller: Caller;
    readonly origin: Origin;
  },
): Promise<Said> => {
  const known = await admission.known(method.verb, call.origin);
  const admitted = await admission.admit(method.verb, known, call.origin, {
    targets: [],
    object: call.name,
    reason: '',
  });
  try {
    const value = await method.answer(filled(call.name, method, call.params), call.caller);
    admitted.ended(null);
    return { kind: 'answer', body: encodeResponse(value) };
  } catch (error) {
    admitted.ended(error);
    throw error;
  }
};

const MAPPED = /^::ffff:(?=\d+\.)/i;
export const addressOf = ({ socket }: IncomingMessage): string => (socket.remoteAddress ?? '').replace(MAPPED, '');

/** DUTs have no credentials, so none are looked at. */
export const originOf = ({ socket }: IncomingMessage, peer: string): Origin => ({
  credentials: { bearer: null, certificate: null },
  peer: `${peer}:${socket.remotePort ?? ''}`,
  requestId: null,
});

const send = (request: IncomingMessage, response: ServerResponse, said: Said): void => {
  // What was not read to its end is not waited for.
  if (!request.complete) response.setHeader('Connection', 'close');
  if (said.kind === 'later') {
    sendLater(response, said.words, said.retryMs);
    return;
  }
  const bytes = Buffer.byteLength(said.body);
  response.writeHead(200, { 'Content-Type': 'text/xml; charset=utf-8', 'Content-Length': bytes });
  // ASCII, as most answers are, is the same bytes in both, and faster written in the simpler one.
  response.end(said.body, bytes === said.body.length ? 'latin1' : 'utf8');
};

export const sendLater = (response: ServerResponse, words: string, retryMs: number): void =>
  say(response, 503, words, { 'Retry-After': Math.ceil(retryMs / 1000) });
