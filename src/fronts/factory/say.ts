/** Answers that are no XML-RPC. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** A text for whoever looks; node adds the Date, by which DUTs set their clocks. */
export const say = (
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void => {
  const body = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
};
