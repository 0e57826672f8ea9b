/** The first words of HTTP/2 (RFC 9113, 3.4), without which a connection is not given to the gRPC server. */
import type { Socket } from 'node:net';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/**
 * Waits for them, and puts them back for whoever reads next. Whoever closes the socket ends the wait.
 * @returns false as soon as something else is said, or when the other side is gone.
 */
export const saysPreface = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    let said = Buffer.alloc(0);
    const done = (is: boolean): void => {
      socket.off('readable', look);
      socket.off('close', gone);
      socket.off('end', gone);
      socket.off('error', gone);
      resolve(is);
    };
    const gone = (): void => done(false);
    const look = (): void => {
      const more = toBytes(socket.read());
      if (more === null) return;
      said = Buffer.concat([said, more]);
      const known = Math.min(said.length, PREFACE.length);
      if (!said.subarray(0, known).equals(PREFACE.subarray(0, known))) {
        done(false);
      } else if (known === PREFACE.length) {
        done(true);
        socket.unshift(said);
      }
    };
    socket.on('readable', look);
    socket.once('close', gone);
    socket.once('end', gone);
    socket.once('error', gone);
  });

/** A socket without an encoding reads bytes, which its type does not say. */
function toBytes(read: unknown): Buffer<ArrayBuffer> | null {
  return read as Buffer<ArrayBuffer> | null;
}
