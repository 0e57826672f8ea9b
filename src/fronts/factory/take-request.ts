/** Which of the door's things a request is for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { guard, type Names } from '../../listen/guard.ts';
import type { Instalog } from './instalog.ts';
import type { Resources } from './resources.ts';
import { say } from './say.ts';
import { sendResource } from './send-resource.ts';
import type { Calls } from './take-call.ts';

export type RequestParts = {
  readonly calls: Calls;
  readonly instalog: Instalog;
  readonly resources: Resources;
  readonly boundTo: string;
  readonly names: Names;
};

export const takeRequest = async (
  request: IncomingMessage,
  response: ServerResponse,
  { calls, instalog, resources, boundTo, names }: RequestParts,
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
  if (path.startsWith('/webapps/')) {
    say(response, 405, 'There is no such web app here.', { Allow: '' });
    return;
  }
  if (path === '/res' || path.startsWith('/res/')) return sendResource(request, response, { resources, path });
  say(response, 404, 'DUTs call / or /RPC2 by POST. Files are under /res/.');
};

const CALLS_BY_POST = 'This is the Factory Server of a line: it is called by POST, in XML-RPC.';

/** Slashes that were written twice, and the last, mean nothing; nor does what stands behind a question mark. */
const pathOf = (url: string): string =>
  url
    .replace(/^https?:\/\/[^/?#]*/i, '')
    .replace(/[?#].*$/s, '')
    .replaceAll(/\/{2,}/g, '/')
    .replace(/(?<=.)\/$/, '');

const isForCalls = (path: string): boolean => path === '' || path === '/' || /^\/(?:RPC2|umpire)(?:\/|$)/.test(path);

const answerMap = async (
  { method }: IncomingMessage,
  response: ServerResponse,
  resources: Resources,
): Promise<void> => {
  if (method !== 'GET' && method !== 'HEAD') {
    say(response, 400, 'The resource map is asked for by GET.');
    return;
  }
  const map = await resources.map().catch(() => null);
  if (map === null) {
    say(response, 404, 'No bundle is active, so there is no resource map.');
    return;
  }
  say(response, 200, map);
};
