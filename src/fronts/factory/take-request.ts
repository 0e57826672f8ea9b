/** Which of the door's things a request is for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { guard, type Names } from '../../listen/guard.ts';
import { Refusal } from '../../core/refusal.ts';
import type { DownloadSlots } from './download-slots.ts';
import type { Instalog } from './instalog.ts';
import type { Resources } from './resources.ts';
import { say } from './say.ts';
import { sendResource } from './send-resource.ts';
import type { Calls } from './take-call.ts';
import { type UmpireDut, umpireDutOf } from './umpire-dut.ts';

export type RequestParts = {
  readonly calls: Calls;
  readonly instalog: Instalog;
  readonly slots: DownloadSlots;
  readonly resources: Resources;
  readonly boundTo: string;
  readonly names: Names;
};

export const takeRequest = async (
  request: IncomingMessage,
  response: ServerResponse,
  { calls, instalog, slots, resources, boundTo, names }: RequestParts,
): Promise<void> => {
  const { method = '', headers } = request;
  const refused = guard({ host: headers.host, origin: headers.origin }, { boundTo, names });
  if (refused !== null) {
    say(response, refused.status, refused.words);
    return;
  }
  const path = pathOf(request.url ?? '/');
  if (isForCalls(path)) {
    if (method === 'POST') return calls.take(request, response);
    if (method === 'HEAD') {
      say(response, 200, '');
      return;
    }
    if (method === 'GET') {
      say(response, 405, CALLS_BY_POST, { Allow: 'POST' });
      return;
    }
    say(response, 501, CALLS_BY_POST);
    return;
  }
  if (path === '/instalog') return instalog.take(request, response);
  if (path === '/webapps/resourcemap' || path === '/resourcemap') return answerMap(request, response, resources);
  if (path === '/webapps/download_slots') {
    answerSlot(request, response, slots);
    return;
  }
  if (path.startsWith('/webapps/')) {
    say(response, 405, 'There is no such web app here.', { Allow: '' });
    return;
  }
  if (path === '/res' || path.startsWith('/res/')) return sendResource(request, response, { resources, path });
  say(response, 404, 'DUTs call / or /RPC2 by POST. Files are under /res/.');
};

const CALLS_BY_POST = 'This is the Factory Server of a line: it is called by POST, in XML-RPC.';

/** What nearly every call says. */
const USUAL_PATHS: ReadonlySet<string> = new Set(['/', '/RPC2']);

/** Slashes that were written twice, and the last, mean nothing; nor does what stands behind a question mark. */
const pathOf = (url: string): string =>
  USUAL_PATHS.has(url)
    ? url
    : url
        .replace(/^https?:\/\/[^/?#]*/i, '')
        .replace(/[?#].*$/s, '')
        .replaceAll(/\/{2,}/g, '/')
        .replace(/(?<=.)\/$/, '');

const isForCalls = (path: string): boolean => path === '' || path === '/' || /^\/(?:RPC2|umpire)(?:\/|$)/.test(path);

const answerMap = async (request: IncomingMessage, response: ServerResponse, resources: Resources): Promise<void> => {
  const { method } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    say(response, 400, 'The resource map is asked for by GET.');
    return;
  }
  const dut = dutOf(request, response, NOBODY);
  if (dut === null) return;
  const map = await resources.map(dut).catch(() => null);
  if (map === null) {
    say(response, 404, 'No bundle is active, so there is no resource map.');
    return;
  }
  say(response, 200, map);
};

const NOBODY: UmpireDut = new Map();

/** @param silent who asks without the header; null: that is refused. Null: it was answered what is wrong with it. */
const dutOf = (request: IncomingMessage, response: ServerResponse, silent: UmpireDut | null): UmpireDut | null => {
  const said = request.headers['x-umpire-dut'];
  if (said === undefined) {
    if (silent === null) say(response, 400, 'A DUT says who it is by the header X-Umpire-DUT.');
    return silent;
  }
  try {
    return umpireDutOf(typeof said === 'string' ? said : said.join('; '));
  } catch (error) {
    sayRefusal(response, error);
    return null;
  }
};

const answerSlot = (request: IncomingMessage, response: ServerResponse, slots: DownloadSlots): void => {
  if (request.method !== 'GET') {
    say(response, 400, 'A slot for a download is asked for by GET.');
    return;
  }
  const dut = dutOf(request, response, null);
  if (dut === null) return;
  try {
    const { uuid, place } = slots.ask(dut);
    say(response, 200, `UUID: ${uuid}\nN_PLACE: ${place}\n`);
  } catch (error) {
    sayRefusal(response, error);
  }
};

const sayRefusal = (response: ServerResponse, error: unknown): void => {
  if (!(error instanceof Refusal)) throw error;
  say(response, error.kind === 'LIMIT_REACHED' ? 503 : 400, error.message);
};
