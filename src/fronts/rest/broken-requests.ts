/** What is no HTTP at all is told so in the same form as everything else, and then the connection ends. */
import type { Socket } from 'node:net';
import { problem, type Problem, PROBLEM_TYPE } from './problem.ts';

/** By the codes that node gives its parser's and its timers' errors. */
const answers: ReadonlyMap<string, Problem> = new Map([
  [
    'HPE_HEADER_OVERFLOW',
    problem(
      431,
      'HEADERS_TOO_LARGE',
      'The headers, the path among them, are larger than this door takes. Send fewer or shorter ones.',
    ),
  ],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    problem(408, 'REQUEST_TOO_SLOW', 'The request did not arrive in time. Send it again, in one go.'),
  ],
]);

const notHttp = problem(400, 'NOT_HTTP', 'What was sent is no HTTP/1.1 request. Send one as RFC 9112 says.');

/** To be given to whoever hears of a client's error before there is a request. */
export const answerBroken = (
  error: { readonly code?: string | undefined },
  socket: Pick<Socket, 'writable' | 'end' | 'destroy'>,
): void => {
  // Who has gone cannot be answered.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const said = answers.get(error.code ?? '') ?? notHttp;
  const body = JSON.stringify(said);
  socket.end(
    `HTTP/1.1 ${said.status} ${said.title}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
};
