/** Who a peer is by its certificate, once TLS has verified it. */
import { type DetailedPeerCertificate, type PeerCertificate, TLSSocket } from 'node:tls';

export type Certificate = {
  /** The URIs of its subject alternative names, in its order. */
  readonly uris: readonly string[];
  /** It says nothing after this. */
  readonly validTo: Date;
};

/**
 * What a connection shows when TLS has verified it is what it shows from then on, to us and to grpc-js: each call is judged
 * by it, and Node would look again, and at something that it has not verified.
 */
export const settleCertificate = (socket: TLSSocket): void => {
  const verified = socket.getPeerCertificate();
  Object.defineProperty(socket, 'getPeerCertificate', { value: () => verified });
};

/** Of a connection as node:http has it; null: plain, no certificate shown, or none that verified. */
export const certificateOfSocket = (socket: unknown): Certificate | null =>
  socket instanceof TLSSocket && socket.authorized ? toCertificate(socket.getPeerCertificate()) : null;

/** Of a certificate that TLS verified; without one, as Node says it, null. */
export function toCertificate(peer: PeerCertificate | DetailedPeerCertificate | undefined): Certificate | null {
  // Node's type does not say it, but where no certificate was shown the object is empty.
  const shown: Partial<PeerCertificate> = peer ?? {};
  if (shown.valid_to === undefined) return null;
  return { uris: urisOf(shown.subjectaltname ?? ''), validTo: new Date(shown.valid_to) };
}

/** `DNS:a.example, URI:spiffe://x`; a value with a comma, a quote or a control character stands as a JSON string. */
const NAME = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/g;

const urisOf = (subjectAltName: string): readonly string[] =>
  [...subjectAltName.matchAll(NAME)].flatMap(([, kind, value = '']) =>
    kind === 'URI' ? [value.startsWith('"') ? String(JSON.parse(value)) : value] : [],
  );
