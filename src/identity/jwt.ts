/** JWTs of the configured issuer: verified when they are new and every 10 minutes, so that a call costs no signature. */
import { createHash } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../core/clock.ts';
import { type Grant, type Principal, type Role, ROLES } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { Log } from '../farm/farm.ts';
import type { Known } from '../farm/identify.ts';
import { jwtRefusal } from './jwt-refusal.ts';
import { createRemembered, type Held, type Said } from './remembered.ts';

export type JwtRules = {
  readonly issuer: string;
  readonly audience: string;
  /** Of JOSE; asymmetric ones only. */
  readonly algorithms: readonly string[];
  readonly rolesClaim: string;
  readonly clockSkewMs: number;
};

export type JwtReader = {
  /** @throws Refusal UNAUTHENTICATED; UNAVAILABLE when the issuer's keys cannot be had. */
  readonly memberOf: (jwt: string) => Promise<Known>;
  /** The keys changed: calls under way end as UNAVAILABLE, and whoever calls again is judged by the new ones. */
  readonly forgetAll: () => void;
  readonly stop: () => void;
};

export type JwtSeams = { readonly clock: Clock; readonly log: Log };

/** Verified JWTs remembered at once. */
const REMEMBERED_MAX = 10_000;
/** Longer ones would cost more to hash than anybody needs; doors bound their headers besides. */
const JWT_LENGTH_MAX = 16_384;
/** A key that the issuer took back is noticed by then. */
const REMEMBERED_MS_MAX = 10 * 60_000;
/** `sub` as the audit and the logs carry it. */
const SUBJECT_BYTES_MAX = 256;

type Verified = Said & {
  readonly principal: Principal;
  /** Monotonic ms. */
  readonly verifiedMs: number;
};

export const createJwtReader = (rules: JwtRules, keys: JWTVerifyGetKey, { clock, log }: JwtSeams): JwtReader => {
  const remembered = createRemembered<Verified>({ clock, rememberedMax: REMEMBERED_MAX, expired });
  /** Another whenever the keys are. */
  let keysInForce = Symbol('keys');

  const verify = async (jwt: string): Promise<Verified> => {
    const { payload } = await jwtVerify(jwt, keys, {
      issuer: rules.issuer,
      audience: rules.audience,
      algorithms: [...rules.algorithms],
      clockTolerance: rules.clockSkewMs / 1000,
      currentDate: clock.now(),
      requiredClaims: ['exp', 'sub'],
    }).catch((error: unknown) => {
      throw jwtRefusal(error);
    });
    const endsAtMs = Number(payload.exp) * 1000 + rules.clockSkewMs;
    const name = nameOf(payload);
    const principal: Principal = {
      kind: 'member',
      name,
      grants: grantsOf(payload[rules.rolesClaim], name, rules, log),
    };
    return { principal, endsAtMs, verifiedMs: clock.monotonicMs() };
  };
  return {
    memberOf: async (jwt) => {
      if (jwt.length > JWT_LENGTH_MAX) throw jwtRefusal(new errors.JWTInvalid('too long'));
      const key = createHash('sha256').update(jwt).digest('base64');
      const known = remembered.find(key);
      if (known !== null && holds(known.said, clock)) return toKnown(known);
      const before = keysInForce;
      const verified = await verify(jwt).catch((error: unknown) => {
        // Calls may go on under it, from when it held; or by now by newer keys.
        if (keysInForce === before && error instanceof Refusal && error.kind === 'UNAUTHENTICATED')
          remembered.end(key, error);
        throw error;
      });
      // By keys that were taken back meanwhile, perhaps.
      if (keysInForce !== before) throw keysChanged();
      return toKnown(remembered.keep(key, verified));
    },
    forgetAll: () => {
      keysInForce = Symbol('keys');
      remembered.endAll(keysChanged());
    },
    stop: remembered.stop,
  };
};

const toKnown = ({ said: { principal }, until }: Held<Verified>): Known => ({ principal, until });

const holds = ({ endsAtMs, verifiedMs }: Verified, clock: Clock): boolean =>
  clock.now().getTime() < endsAtMs && clock.monotonicMs() - verifiedMs < REMEMBERED_MS_MAX;

/** Marked, so that no subject can be written to look like a bot. */
const nameOf = ({ sub = '' }: JWTPayload): string => {
  if (sub === '' || Buffer.byteLength(sub) > SUBJECT_BYTES_MAX || /\p{Cc}/u.test(sub)) throw badSubject();
  return `member:${sub}`;
};

/** `<instance>:<role>`; the instance may hold colons. Bots prove themselves by certificate or token, never by a JWT. */
const grantsOf = (claim: unknown, name: string, { rolesClaim }: JwtRules, log: Log): readonly Grant[] => {
  if (claim === undefined) return [];
  const texts = Array.isArray(claim) ? claim : [claim];
  return texts.flatMap((text: unknown): readonly Grant[] => {
    const grant = typeof text === 'string' ? toGrant(text) : null;
    if (grant !== null) return [grant];
    log.warn(
      { principal: name, claim: rolesClaim, ignored: typeof text === 'string' ? text : typeof text },
      'a JWT grants a role that is none; write INSTANCE:ROLE with viewer, submitter, operator, admin or bridge',
    );
    return [];
  });
};

const toGrant = (text: string): Grant | null => {
  const at = text.lastIndexOf(':');
  const role = ROLES.find((each) => each === text.slice(at + 1));
  return at < 0 || role === undefined || role === BOT ? null : { instance: text.slice(0, at), role };
};
const BOT: Role = 'bot';

const expired = (): Refusal => jwtRefusal(new errors.JWTExpired('exp', {}));

const keysChanged = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'JWT_KEYS_CHANGED',
    "The issuer's keys have changed, so that every JWT is verified anew. Call again at once.",
  );

const badSubject = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'JWT_SUBJECT',
    'The claim `sub` of the JWT is empty, longer than 256 bytes, or has control characters. Have the issuer name its bearer.',
  );
