/** The other way to a farm: its HTTP door, for what is too large for a message. */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { type CredentialOptions, readCredentials, tlsOptionsOf } from './credentials.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';

/** The options that every command to the HTTP door takes. */
export type HttpFarmOptions = Omit<CredentialOptions, 'tls'> & {
  readonly url: string;
  readonly instance: string;
  readonly output: 'table' | 'json';
};

export type Asked = {
  readonly method: 'GET' | 'POST';
  /** Below the instance; each part already escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON, or a content as it is with its length. */
  readonly body?: { readonly json: unknown } | { readonly content: Readable; readonly bytes: number };
};

/** A farm that says nothing for longer is not well; a content that is sent is something. */
const SILENT_MS = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** @throws Failure that says what to do. */
export const askHttp = async <T extends z.ZodType>(
  options: HttpFarmOptions,
  { method, path, query = {}, body }: Asked,
  schema: T,
): Promise<z.output<T>> => {
  const instance = options.instance === '' ? '-' : encodeURIComponent(options.instance);
  const url = new URL(`/api/v1/instances/${instance}${path}?${new URLSearchParams(query).toString()}`, options.url);
  const answer = await send(url, { method, body: body ?? null, options });
  if (answer.status >= 400) throw problemFailure(answer, options.url);
  const read = schema.safeParse(jsonOf(answer.text));
  if (read.success) return read.data;
  throw new Failure(
    EXIT.unreachable,
    `what answers at ${options.url} is no farm of this version`,
    'Give the HTTP door of a farm by --url.',
  );
};

type Answer = { readonly status: number; readonly text: string };

const send = (
  url: URL,
  {
    method,
    body,
    options,
  }: { readonly method: string; readonly body: Asked['body'] | null; readonly options: HttpFarmOptions },
): Promise<Answer> => {
  const { token, ...files } = readCredentials(options);
  const isContent = body !== null && body !== undefined && 'content' in body;
  const json = body === null || body === undefined || isContent ? null : Buffer.from(JSON.stringify(body.json));
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(json === null ? {} : { 'content-type': 'application/json', 'content-length': json.length }),
    ...(isContent ? { 'content-type': 'application/octet-stream', 'content-length': body.bytes } : {}),
  };
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? https.request(url, { method, headers, ...tlsOptionsOf(files) })
        : http.request(url, { method, headers });
    const fail = (error: Error): void => {
      request.destroy();
      reject(unreachable(options.url, error));
    };
    request.setTimeout(SILENT_MS, () => {
      fail(new Error(`it said nothing for ${String(SILENT_MS / 1000)} s`));
    });
    request.once('error', fail);
    request.once('response', (response) => {
      // A farm that has refused reads no more of a content: that the rest cannot be sent is no news.
      request.off('error', fail).on('error', () => undefined);
      readText(response).then((text) => {
        resolve({ status: response.statusCode ?? 0, text });
      }, fail);
    });
    if (isContent) body.content.once('error', fail).pipe(request);
    else request.end(json ?? undefined);
  });
};

const readText = async (response: http.IncomingMessage): Promise<string> => {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) {
    text += String(piece);
    if (text.length > ANSWER_BYTES_MAX) throw new Error('its answer is too long');
  }
  return text;
};

const unreachable = (url: string, cause: Error): Failure =>
  new Failure(
    EXIT.unreachable,
    `no farm answers at ${url}: ${cause.message}`,
    'Is it running, and is this its HTTP door? Name it with --url or STATIONGRID_URL.',
    { cause },
  );

const problemSchema = z.object({ detail: z.string(), reason: z.string(), status: z.number() });

const problemFailure = ({ status, text }: Answer, url: string): Failure => {
  const problem = problemSchema.safeParse(jsonOf(text));
  if (!problem.success)
    return new Failure(
      EXIT.unreachable,
      `what answers at ${url} is no farm: it says ${String(status)}`,
      'Give the HTTP door of a farm by --url.',
    );
  return new Failure(exitOf(status), `${problem.data.detail} (${problem.data.reason})`);
};

const exitOf = (status: number): ExitCode => {
  if (status === 503) return EXIT.unreachable;
  return status >= 500 && status !== 501 ? EXIT.bug : EXIT.refused;
};

/** Null: it is none. */
const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
