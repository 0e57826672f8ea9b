/** From whatever went wrong to a gRPC status. A refusal keeps its words; of anything else nothing is told. */
import { Metadata, status } from '@grpc/grpc-js';
import { Refusal, type RefusalKind } from '../../core/refusal.ts';
import { outageRefusal } from '../../farm/outage.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import { ErrorInfo, RetryInfo } from '../../gen/google/rpc/error_details.ts';
import { Status } from '../../gen/google/rpc/status.ts';
import { durationOf } from './convert-time.ts';

/**
 * Bots in the field create a new session on INVALID_ARGUMENT and on DATA_LOSS, and know no NOT_FOUND of a
 * session.
 */
export const statusOf: Readonly<Record<RefusalKind, status>> = {
  INVALID: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  WRONG_STATE: status.FAILED_PRECONDITION,
  LIMIT_REACHED: status.RESOURCE_EXHAUSTED,
  SESSION_UNKNOWN: status.INVALID_ARGUMENT,
  SESSION_CLOSED: status.DATA_LOSS,
  UNAVAILABLE: status.UNAVAILABLE,
  NOT_OFFERED: status.UNIMPLEMENTED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  FORBIDDEN: status.PERMISSION_DENIED,
};

/** As grpc-js takes it. */
export type Answer = { readonly code: status; readonly details: string; readonly metadata: Metadata };

const DOMAIN = 'stationgrid';
/** When a refused caller may come back. */
const RETRY_MS = 1_000;
/** Trailers are headers, and clients take 8 KiB of those; the words travel twice, once with every odd byte escaped. */
const WORDS_MAX = 2_000;
const WORDS_ESCAPED_MAX = 3_000;

/** The middle goes: there stands what the caller said, and what to do about it stands at the end. */
const fitting = (words: string): string => {
  let kept = words;
  for (
    let most = WORDS_MAX;
    kept.length > WORDS_MAX || encodeURIComponent(kept).length > WORDS_ESCAPED_MAX;
    most /= 2
  ) {
    kept = `${words.slice(0, most / 2)} … ${words.slice(-most / 2)}`.toWellFormed();
  }
  return kept;
};

const packed = (name: string, value: Uint8Array): Any => ({
  typeUrl: `type.googleapis.com/google.rpc.${name}`,
  value: Buffer.from(value),
});

const answerOf = (refusal: Refusal): Answer => {
  const code = statusOf[refusal.kind];
  const message = fitting(refusal.message.toWellFormed());
  const info = ErrorInfo.create({ reason: refusal.reason, domain: DOMAIN, metadata: refusal.metadata });
  const details = [packed('ErrorInfo', ErrorInfo.encode(info).finish())];
  const retryMs = refusal.retryMs ?? (refusal.kind === 'UNAVAILABLE' ? RETRY_MS : null);
  if (retryMs !== null) {
    details.push(packed('RetryInfo', RetryInfo.encode({ retryDelay: durationOf(retryMs) }).finish()));
  }
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata };
};

const INTERNAL: Omit<Answer, 'metadata'> = { code: status.INTERNAL, details: 'internal error' };

/** @param onBug hears of what is neither a refusal nor an outage, once. */
export const refuse = (error: unknown, onBug: (error: unknown) => void): Answer => {
  const refusal = error instanceof Refusal ? error : outageRefusal(error);
  if (refusal !== null) return answerOf(refusal);
  onBug(error);
  return { ...INTERNAL, metadata: new Metadata() };
};
