/** What was wrong with a JWT: a reason for programs, and words that teach and repeat nothing of it. */
import { errors } from 'jose';
import { Refusal } from '../core/refusal.ts';

type Words = readonly [reason: string, words: string];

const EXPIRED: Words = ['JWT_EXPIRED', 'The JWT has expired. Get a new one from its issuer.'];
const MALFORMED: Words = [
  'JWT_MALFORMED',
  'The bearer cannot be read as a signed JWT (RFC 7519, RFC 7515). Send it whole, as the issuer gave it.',
];
const SIGNATURE: Words = [
  'JWT_SIGNATURE',
  "The JWT's signature is not that of the issuer's key. Get it from the issuer that this farm trusts (auth.jwt).",
];
const UNKNOWN_KEY: Words = [
  'JWT_KEY_UNKNOWN',
  "No key of the issuer's set has the JWT's `kid` and algorithm. Is it of the issuer that this farm trusts, and is the set (auth.jwt.jwksFile, jwksUrl) current?",
];

const byCode: Readonly<Record<string, Words>> = {
  ERR_JWT_EXPIRED: EXPIRED,
  ERR_JWT_INVALID: MALFORMED,
  ERR_JWS_INVALID: MALFORMED,
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: SIGNATURE,
  ERR_JOSE_ALG_NOT_ALLOWED: [
    'JWT_ALGORITHM',
    'The JWT is signed by an algorithm that this farm does not take (auth.jwt.algorithms).',
  ],
  ERR_JOSE_NOT_SUPPORTED: UNKNOWN_KEY,
  ERR_JWKS_NO_MATCHING_KEY: UNKNOWN_KEY,
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: [
    'JWT_KEY_AMBIGUOUS',
    "Several keys of the issuer's set could have signed the JWT. Have the issuer name its key by `kid`.",
  ],
};

const byClaim: Readonly<Record<string, Words>> = {
  iss: ['JWT_ISSUER', 'The JWT is of another issuer than the one that this farm trusts (auth.jwt.issuer).'],
  aud: ['JWT_AUDIENCE', 'The JWT was made for somebody else: its `aud` does not name this farm (auth.jwt.audience).'],
  nbf: ['JWT_NOT_YET', 'The JWT does not hold yet: its `nbf` lies ahead. Wait, or have the clocks set.'],
  exp: ['JWT_NO_EXPIRY', 'The JWT has no `exp` that is a time. This farm takes none that hold for ever.'],
  sub: ['JWT_SUBJECT', 'The JWT has no `sub`. Have the issuer name its bearer.'],
};

const CLAIMS: Words = ['JWT_CLAIMS', 'A registered claim of the JWT is not of its form (RFC 7519, section 4.1).'];

/** Whatever jose threw: a bad token is the caller's, and keys that cannot be had are an outage. */
export const jwtRefusal = (error: unknown): Refusal => {
  const words = wordsOf(error);
  if (words !== null) return new Refusal('UNAUTHENTICATED', ...words);
  return new Refusal(
    'UNAVAILABLE',
    'JWT_KEYS_AWAY',
    "The farm cannot get its JWT issuer's keys just now, and takes nothing that it cannot verify. Call again in a moment.",
  );
};

/** Null: the token may be good; it could not be looked at. */
const wordsOf = (error: unknown): Words | null => {
  if (error instanceof errors.JWTClaimValidationFailed) return byClaim[error.claim] ?? CLAIMS;
  return error instanceof errors.JOSEError ? (byCode[error.code] ?? null) : null;
};
