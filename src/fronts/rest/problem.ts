/** Whatever went wrong as problem details (RFC 9457). A refusal keeps its words; of a fault of ours nothing is told. */
import { STATUS_CODES } from 'node:http';
import { Refusal, type RefusalKind } from '../../core/refusal.ts';
import { outageRefusal } from '../../farm/outage.ts';

export const statusOf: Readonly<Record<RefusalKind, number>> = {
  INVALID: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  WRONG_STATE: 409,
  LIMIT_REACHED: 429,
  SESSION_UNKNOWN: 404,
  SESSION_CLOSED: 410,
  UNAVAILABLE: 503,
  NOT_OFFERED: 501,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
};

export type Problem = {
  /** A name for programs that collect problems; nothing is to be read there. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What happened, why, and how to mend it. */
  readonly detail: string;
  /** The same for programs, UPPER_SNAKE_CASE and stable; the reason of google.rpc.ErrorInfo in the gRPC door. */
  readonly reason: string;
  readonly metadata?: Readonly<Record<string, string>>;
};

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';
/** When a refused caller may come back, in seconds. */
const RETRY_AFTER = '1';

export const problem = (
  status: number,
  reason: string,
  detail: string,
  metadata: Readonly<Record<string, string>> = {},
): Problem => ({
  type: `urn:stationgrid:problem:${reason.toLowerCase().replaceAll('_', '-')}`,
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  reason,
  ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
});

export const refusalProblem = ({ kind, reason, message, metadata }: Refusal): Problem =>
  problem(statusOf[kind], reason, message, metadata);

/** What goes with a problem, beside its words (RFC 9110): when to come again, and what to show. */
export const problemHeaders = (error: unknown, { status }: Problem): Readonly<Record<string, string>> => {
  if (status === 401) return { 'www-authenticate': 'Bearer' };
  if (error instanceof Refusal && error.retryMs !== null)
    return { 'retry-after': String(Math.ceil(error.retryMs / 1000)) };
  return status === 503 ? { 'retry-after': RETRY_AFTER } : {};
};

/** @param onBug hears of what is neither a refusal, nor an outage, nor a request that HTTP itself cannot read, once. */
export const problemOf = (error: unknown, onBug: (error: unknown) => void): Problem => {
  const refusal = error instanceof Refusal ? error : outageRefusal(error);
  if (refusal !== null) return refusalProblem(refusal);
  const asHttp = unreadableRequest(error);
  if (asHttp !== null) return asHttp;
  onBug(error);
  return problem(500, 'INTERNAL', 'internal error');
};

/** In our names and words; fastify's tell of its own doings. */
const unreadable: Readonly<Record<number, readonly [reason: string, words: string]>> = {
  400: [
    'UNREADABLE',
    'The request cannot be read: its body is no JSON, or its path or headers are malformed. Send it as RFC 8259 and RFC 9110 say.',
  ],
  // A method that no route can have, such as the first word of HTTP/2; every other unknown path has its own handler.
  404: ['NO_SUCH_PATH', 'There is nothing at this path. What there is stands at /.'],
  413: ['BODY_TOO_LARGE', 'The body is larger than 1 MiB. Send less, or send it in parts.'],
  414: [
    'PATH_PART_TOO_LONG',
    'A part of the path is longer than any name here. Give the name as it is, of 256 bytes at most.',
  ],
  415: ['NOT_JSON', 'The body is no JSON by its own word. Send it with Content-Type: application/json.'],
};

const unreadableRequest = (error: unknown): Problem | null => {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return null;
  const { code, statusCode } = error;
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number') return null;
  const named = unreadable[statusCode];
  return named === undefined ? null : problem(statusCode, ...named);
};
