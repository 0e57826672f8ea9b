/** A file of `/res/`: whole, or the part that is asked for, as DUTs do that go on with a broken download. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Resource, Resources } from './resources.ts';
import { say } from './say.ts';

export const sendResource = async (
  request: IncomingMessage,
  response: ServerResponse,
  { resources, path }: { readonly resources: Resources; readonly path: string },
): Promise<void> => {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    say(response, 405, 'Files are asked for by GET.', { Allow: 'GET, HEAD' });
    return;
  }
  const name = decoded(path.slice('/res/'.length));
  if (name === '') {
    say(response, 200, (await resources.list()).map((each) => `${each}\n`).join(''));
    return;
  }
  const resource = name === null ? null : await resources.open(name);
  if (resource === null) {
    say(response, 404, 'There is no such file.');
    return;
  }
  try {
    await sendFile(request, response, resource);
  } finally {
    await resource.file.close();
  }
};

/** Null: it is no escaped text. */
const decoded = (part: string): string | null => {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
};

const sendFile = async (
  request: IncomingMessage,
  response: ServerResponse,
  { file, size, changedAt }: Resource,
): Promise<void> => {
  const range = rangeOf(request.headers.range, size);
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    'Last-Modified': changedAt.toUTCString(),
  };
  if (range === 'none') {
    say(response, 416, 'The file has no such part.', { 'Content-Range': `bytes */${size}` });
    return;
  }
  const { from, to } = range ?? { from: 0, to: size - 1 };
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    'Content-Length': to - from + 1,
    ...(range === null ? {} : { 'Content-Range': `bytes ${from}-${to}/${size}` }),
  });
  if (request.method === 'HEAD' || to < from) {
    response.end();
    return;
  }
  const bytes = file.createReadStream({ start: from, end: to, autoClose: false });
  // Whoever leaves in the middle comes again for the rest.
  await pipeline(bytes, response).catch(() => undefined);
};

type Range = { readonly from: number; readonly to: number };

/** One part (RFC 9110, 14.1.2). Null: all of it is asked for, or more parts than one. */
const rangeOf = (header: string | undefined, size: number): Range | 'none' | null => {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return null;
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last));
  return from >= size || to < from ? 'none' : { from, to };
};
