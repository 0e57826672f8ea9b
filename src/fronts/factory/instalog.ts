/**
 * `/instalog`, where DUT software puts the events of Testlog. An event that is wrong is put aside and answered like the others:
 * uploaders send a batch that was refused again for ever, and everything behind it would wait.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from '../../farm/admit.ts';
import type { Farm } from '../../farm/farm.ts';
import type { Depot } from '../../uploads/depot.ts';
import type { FactoryCounts } from './counts.ts';
import { createBasket, type EventBasket } from './event-basket.ts';
import type { MessageLevel } from './judge-event.ts';
import { type Part, readParts } from './read-parts.ts';
import { saidOf } from './refuse.ts';
import { say } from './say.ts';
import { addressOf, originOf } from './take-call.ts';
import type { Uploads } from './uploads.ts';

export type Instalog = { readonly take: (request: IncomingMessage, response: ServerResponse) => Promise<void> };

export type InstalogParts = {
  readonly farm: Farm;
  readonly admission: Admission;
  readonly depot: Depot;
  readonly uploads: Uploads;
  readonly counts: FactoryCounts;
  readonly instance: string;
  /** Messages below it are accepted and dropped. */
  readonly messageLevel: MessageLevel;
};

type Answer = { readonly status: number; readonly words: string; readonly retryMs?: number };

const METHOD = 'instalog';
const BUSY_RETRY_MS = 1_000;

export const createInstalog = (parts: InstalogParts): Instalog => {
  const { farm, counts } = parts;
  const { limits, clock } = farm;
  let underWay = 0;

  const post = async (request: IncomingMessage): Promise<Answer | null> => {
    const refused = objection(request, limits.testlog.requestBytesMax);
    if (refused !== null) return refused;
    if (underWay >= limits.testlog.atOnceMax)
      return {
        status: 503,
        words: `This replica takes ${underWay} uploads of events already.`,
        retryMs: BUSY_RETRY_MS,
      };
    underWay += 1;
    try {
      return await takeForm(parts, request);
    } finally {
      underWay -= 1;
    }
  };

  return {
    take: async (request, response) => {
      // Without this header on every answer uploaders stop.
      response.setHeader('Maximum-Bytes', limits.testlog.requestBytesMax);
      const { method = '' } = request;
      if (method === 'GET' || method === 'HEAD') {
        say(response, 200, 'Events of Testlog are taken here, by POST of a form.');
        return;
      }
      if (method !== 'POST') {
        say(response, 405, 'Events are put here by POST.', { Allow: 'GET, HEAD, POST' });
        return;
      }
      const beganMs = clock.monotonicMs();
      const answer = await post(request);
      if (answer === null) return;
      const { status, words, retryMs } = answer;
      // A body that is small enough is read to its end, so that its client is still there to hear the answer.
      if (status === 413 || status === 411) response.setHeader('Connection', 'close');
      say(response, status, words, retryMs === undefined ? {} : { 'Retry-After': Math.ceil(retryMs / 1000) });
      const outcome = status === 200 ? 'answered' : status === 503 ? 'later' : 'fault';
      counts.called({ method: METHOD, outcome, seconds: (clock.monotonicMs() - beganMs) / 1000 });
    },
  };
};

/** What its headers say of it already; null: nothing is against it. */
const objection = ({ headers }: IncomingMessage, bytesMax: number): Answer | null => {
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(headers['content-type'] ?? ''))
    return { status: 406, words: 'Events come as multipart/form-data.' };
  const { 'content-length': length } = headers;
  if (length === undefined) return { status: 411, words: 'Say how long the form is: it needs a Content-Length.' };
  if (Number(length) > bytesMax)
    return { status: 413, words: `The form has ${length} bytes, and ${bytesMax} are the limit. Send fewer events.` };
  return null;
};

const takeForm = async (parts: InstalogParts, request: IncomingMessage): Promise<Answer | null> => {
  const { farm, admission, depot } = parts;
  const peer = addressOf(request);
  const origin = originOf(request, peer);
  const basket = createBasket({
    ...parts,
    peer,
    nodeId: nodeOf(request),
    isMulti: /^true$/i.test(textOf(request.headers['multi-event'])),
  });
  const known = await admission.known('take-testlog', origin);
  const admitted = await admission.admit('take-testlog', known, origin, { targets: [], object: METHOD, reason: '' });
  try {
    const answer = await fill(basket, request, { depot, partsMax: farm.limits.testlog.partsMax });
    admitted.ended(null);
    return answer;
  } catch (error) {
    admitted.ended(error);
    const said = saidOf(error, (bug) => {
      farm.log.error({ err: bug }, 'events of a DUT could not be taken in by a fault of ours');
    });
    // Even what is refused for good must not be taken for a form that cannot be read.
    return said.kind === 'later'
      ? { status: 503, words: said.words, retryMs: said.retryMs }
      : { status: 400, words: error instanceof Error ? error.message : 'The form is refused.' };
  } finally {
    await basket.discard();
  }
};

const fill = async (
  basket: EventBasket,
  request: IncomingMessage,
  { depot, partsMax }: { readonly depot: Depot; readonly partsMax: number },
): Promise<Answer | null> => {
  const { socket } = request;
  const onPart = async (part: Part): Promise<void> => {
    // Nothing is read while it is put away, however long that takes.
    const stallMs = socket.timeout ?? 0;
    socket.setTimeout(0);
    await basket.put(part).finally(() => socket.setTimeout(stallMs));
  };
  const read = await readParts(request, depot, { partsMax, onPart });
  if (read.kind === 'gone') return null;
  if (read.kind === 'malformed') return { status: 400, words: `The form cannot be read: ${read.why}.` };
  // Nothing is to be written any more while they are committed, however long that takes.
  socket.setTimeout(0);
  const wrong = await basket.finish();
  return wrong === null ? { status: 200, words: 'OK' } : { status: 400, words: wrong };
};

const textOf = (header: string | readonly string[] | undefined): string =>
  typeof header === 'string' ? header : (header?.[0] ?? '');

const NODE_CHARS_MAX = 200;

/** Null: the uploader does not say who it is. */
const nodeOf = ({ headers }: IncomingMessage): string | null => {
  const node = textOf(headers['node-id']).slice(0, NODE_CHARS_MAX);
  return node === '' ? null : node;
};
