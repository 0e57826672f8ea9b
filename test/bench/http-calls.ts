/**
 * A client of HTTP/1.1 that does as little as will do, since on two cores it would else be what is measured: it writes
 * bytes, and reads an answer as far as its content-length says.
 */
import { connect } from 'node:net';

/** The next request, whole; null: that was the last. */
export type NextRequest = () => Buffer | null;

const HEAD_END = Buffer.from('\r\n\r\n');

/** Sends them all, one after the other on each of so many connections. Resolves with how many were answered 200. */
export const callOverHttp = async (address: string, connections: number, next: NextRequest): Promise<number> => {
  let answered = 0;
  const work = async (): Promise<void> => {
    for (let request = next(); request !== null;) {
      const { count, unsent } = await converse(address, request, next);
      answered += count;
      request = unsent ?? next();
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return answered;
};

/** Until there is no more to send, or the server has said that the connection ends. */
const converse = (
  address: string,
  first: Buffer,
  next: NextRequest,
): Promise<{ readonly count: number; readonly unsent: Buffer | null }> =>
  new Promise((resolve, reject) => {
    const at = address.lastIndexOf(':');
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    let received = Buffer.alloc(0);
    let count = 0;
    const end = (unsent: Buffer | null): void => {
      socket.destroy();
      resolve({ count, unsent });
    };
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed a connection in the middle of a call')));
    socket.on('data', (bytes) => {
      received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
      const whole = readAnswer(received);
      if (whole === null) return;
      if (whole.status !== '200') {
        reject(new Error(`a call was answered ${received.toString('latin1').slice(0, 500)}`));
        return;
      }
      received = Buffer.alloc(0);
      count += 1;
      const request = next();
      if (request === null || whole.isLast) end(request);
      else socket.write(request);
    });
    socket.write(first);
  });

/** Null: not all of it is there yet. */
const readAnswer = (bytes: Buffer): { readonly status: string; readonly isLast: boolean } | null => {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return null;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without its length: ${head}`);
  if (bytes.length < headEnd + HEAD_END.length + Number(length)) return null;
  return { status: head.split(' ')[1] ?? '', isLast: /\r\nconnection: *close/i.test(head) };
};

/** The bytes of a request with a body. */
export const requestOf = (method: 'POST' | 'PUT', body: Buffer): Buffer => {
  const head = [`${method} / HTTP/1.1`, 'Host: 127.0.0.1', 'Content-Type: text/xml', `Content-Length: ${body.length}`];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
};

/** The body of an answer, for whoever is to give the same. */
export const bodyOfAnswer = async (url: string, body: Buffer): Promise<Buffer> => {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'text/xml' },
    body: new Uint8Array(body),
  });
  return Buffer.from(await answer.arrayBuffer());
};
