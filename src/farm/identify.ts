/** The seam between the doors, who read credentials off the wire, and whoever can tell whose they are. */
import type { Principal } from '../core/principal.ts';

/** As a door read them; believed by nobody yet. */
export type Credentials = {
  /** What followed `Bearer` in the `authorization` of the call; null: nothing did. */
  readonly bearer: string | null;
  /** Of the client's certificate; null: there is none that TLS itself has verified. */
  readonly certificate: {
    /** Of its subject alternative names. */
    readonly uris: readonly string[];
    /** It says nothing after this. */
    readonly validTo: Date;
  } | null;
};

const BEARER = /^Bearer +(\S+)$/i;

/** What an `authorization` header bears (RFC 6750). Another scheme is none that anybody here knows: null. */
export const bearerIn = (header: string | undefined): string | null => BEARER.exec(header ?? '')?.[1] ?? null;

export const NO_CREDENTIALS: Credentials = { bearer: null, certificate: null };

/** `until` aborts when the credentials stop holding: revoked, or expired. Calls that wait end then. */
export type Known = { readonly principal: Principal; readonly until: AbortSignal };

/** @throws Refusal UNAUTHENTICATED for credentials that do not hold; UNAVAILABLE when that cannot be told just now. */
export type Identify = (credentials: Credentials) => Promise<Known>;

/** Of a farm that asks credentials of nobody. */
export const askNobody = (): Identify => {
  const anybody: Known = { principal: { kind: 'open' }, until: new AbortController().signal };
  return () => Promise.resolve(anybody);
};
