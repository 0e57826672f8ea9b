/** Requests that the farm itself never sends: bytes of a check's own, and HTTP/1.0. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { CALL_TIMEOUT_MS } from '../../bridge/shopfloor-client.ts';
import type { Partner } from './partner.ts';

export type Posted = { readonly status: number; readonly text: string };
export type Call = { readonly body: string; readonly contentType: string; readonly key: string };

/** Status 0, and why, when no answer came. */
export const post = ({ url, clock, signal }: Partner, { body, contentType, key }: Call): Promise<Posted> =>
  new Promise((resolve) => {
    const over = new AbortController();
    const end = (posted: Posted): void => {
      over.abort();
      resolve(posted);
    };
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      ...{ method: 'POST', agent: false, signal },
      headers: { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body), 'Idempotency-Key': key },
    });
    void clock.sleep(CALL_TIMEOUT_MS, over.signal).then(() => request.destroy(new Error('no answer in time')));
    request.on('error', ({ message }) => end({ status: 0, text: message }));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', ({ message }) => end({ status: 0, text: message }));
      response.on('end', () => end({ status: response.statusCode ?? 0, text }));
    });
    request.end(body);
  });

export type OldPosted = Posted & { readonly headers: string };

/** The same in HTTP/1.0, as the original factory server forwards calls: Host without a port, and the end is a close. */
export const postOld = async (partner: Partner, { body, contentType, key }: Call): Promise<OldPosted> => {
  const { url, clock, signal } = partner;
  const over = new AbortController();
  const socket = connect(url);
  const giveUp = (): void => {
    socket.destroy(new Error('no answer in time'));
  };
  void clock.sleep(CALL_TIMEOUT_MS, over.signal).then(() => !over.signal.aborted && giveUp());
  signal.addEventListener('abort', giveUp, { once: true });
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.0`,
    `Host: ${url.hostname}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    `Idempotency-Key: ${key}`,
    ...authorization(url),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  try {
    return await readOld(socket);
  } catch (error) {
    return { status: 0, headers: '', text: error instanceof Error ? error.message : String(error) };
  } finally {
    over.abort();
    signal.removeEventListener('abort', giveUp);
    socket.destroy();
  }
};

/** Node's own requests take it from the URL by themselves. */
const authorization = ({ username, password }: URL): readonly string[] => {
  if (username === '' && password === '') return [];
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return [`Authorization: Basic ${Buffer.from(credentials).toString('base64')}`];
};

const connect = ({ protocol, hostname, port }: URL): net.Socket => {
  const host = hostname.replace(/^\[|\]$/g, '');
  return protocol === 'https:'
    ? tls.connect({ host, port: Number(port || 443), ...(net.isIP(host) === 0 ? { servername: host } : {}) })
    : net.connect({ host, port: Number(port || 80) });
};

/** To the length it says, or to its close. */
const readOld = async (socket: net.Socket): Promise<OldPosted> => {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, toBuffer(chunk)]);
    const answer = split(bytes);
    const length = /^content-length: *(\d+)/im.exec(answer?.headers ?? '')?.[1];
    if (answer !== null && length !== undefined && answer.body.length >= Number(length)) break;
  }
  const { headers, body } = split(bytes) ?? { headers: '', body: bytes };
  return { status: Number(/^HTTP\/\d\.\d (\d{3})/.exec(headers)?.[1] ?? 0), headers, text: body.toString('utf8') };
};

const split = (bytes: Buffer): { readonly headers: string; readonly body: Buffer } | null => {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? null : { headers: bytes.subarray(0, end).toString('latin1'), body: bytes.subarray(end + 4) };
};

function toBuffer(chunk: unknown): Buffer {
  return chunk as Buffer;
}
