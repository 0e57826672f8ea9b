/** Bytes as they are, over a bare connection, and whatever comes back until the other side closes. */
import { connect } from 'node:net';

export type RawAnswer = { readonly bytes: Buffer; readonly how: 'closed' | 'reset' | 'left open' };

/**
 * @param end `half`: we say that we are done, and listen on. `cut`: the connection is cut as soon as all is sent. `wait`: we
 * say nothing more and listen.
 * @param patienceMs after which we leave.
 */
export const rawExchange = (
  port: number,
  body: Buffer,
  { end, patienceMs }: { readonly end: string; readonly patienceMs: number },
): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const parts: Buffer[] = [];
    let how: RawAnswer['how'] = 'closed';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const patience = setTimeout(() => {
      how = 'left open';
      socket.destroy();
    }, patienceMs);
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('end', () => socket.end());
    socket.on('error', () => {
      how = 'reset';
    });
    socket.on('close', () => {
      clearTimeout(patience);
      resolve({ bytes: Buffer.concat(parts), how });
    });
    socket.write(body, () => {
      if (end === 'half') socket.end();
      if (end === 'cut') socket.resetAndDestroy();
    });
  });
