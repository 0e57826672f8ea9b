/** Who calls by certificate. */
import type { ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { type Certificate, toCertificate } from '../../listen/certificate.ts';

/** Null: the connection is plain, or its client showed no certificate. One that does not verify gets no connection. */
export const certificateOf = (
  call: Pick<ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>, 'getAuthContext'>,
): Certificate | null => toCertificate(call.getAuthContext().sslPeerCertificate);
