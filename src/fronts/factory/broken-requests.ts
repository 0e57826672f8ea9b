/** What is no HTTP at all. DUTs set their clocks by the Date of any answer, so this one has it too. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';

const statusOf: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

export const answerBroken = (error: { readonly code?: string }, socket: Duplex, clock: Clock): void => {
  // Who has gone cannot be answered.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = statusOf[error.code ?? ''] ?? 400;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nDate: ${clock.now().toUTCString()}\r\n` +
      'Connection: close\r\nContent-Length: 0\r\n\r\n',
  );
};
