/** The body of a request in pieces as they come. */
import type { IncomingMessage } from 'node:http';

/**
 * Node's own iterator does the same, at a third of what a small call costs. Leaving it in the middle does not end the
 * connection: there is still an answer to be sent. It ends, too, when the client has left; then the request is not complete.
 */
export async function* piecesOf(request: IncomingMessage): AsyncGenerator<Buffer, void, undefined> {
  // Node tells of a request at its head. What came together with that is there a turn later.
  await Promise.resolve();
  for (;;) {
    const piece = toPiece(request.read());
    if (piece !== null) yield piece;
    else if (request.complete || request.destroyed) return;
    else await more(request);
  }
}

const more = (request: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      request.off('readable', look).off('close', look);
      resolve();
    };
    request.on('readable', look).on('close', look);
  });

/** A request without an encoding gives buffers, which its type does not say. */
function toPiece(read: unknown): Buffer | null {
  return read as Buffer | null;
}
