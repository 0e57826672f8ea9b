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
};

/** As grpc-js takes it. */
export type Answer = { readonly code: status; readonly details: string; readonly metadata: Metadata };

const DOMAIN = 'stationgrid';
/** When a refused caller may come back. */
const RETRY_MS = 1_000;
/** Trailers are headers, and clients take 8 KiB of those; the words travel twice. */
const WORDS_MAX = 2_000;

const packed = (name: string, value: Uint8Array): Any => ({
  typeUrl: `type.googleapis.com/google.rpc.${name}`,
  value: Buffer.from(value),
});

const answerOf = (refusal: Refusal): Answer => {
  const code = statusOf[refusal.kind];
  const message = refusal.message.slice(0, WORDS_MAX);
  const info = ErrorInfo.create({ reason: refusal.reason, domain: DOMAIN, metadata: refusal.metadata });
  const details = [packed('ErrorInfo', ErrorInfo.encode(info).finish())];
  if (refusal.kind === 'UNAVAILABLE') {
    details.push(packed('RetryInfo', RetryInfo.encode({ retryDelay: durationOf(RETRY_MS) }).finish()));
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
