/** The section `auth`: by what callers prove who they are. With none of it, credentials are asked of nobody. */
import { z } from 'zod';
import { TRUST_DOMAIN } from '../core/spiffe.ts';
import { isLoopback } from './exposure.ts';
import { says } from './says.ts';
import { duration, durationText, onOff } from './units.ts';

/** Asymmetric ones only: by a shared key whoever verifies could sign. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'] as const;
const ALGORITHMS_DEFAULT = ['RS256', 'ES256', 'EdDSA'] as const;
const SKEW_MAX_MS = 60_000;
const SKEW_DEFAULT_MS = 30_000;

const WANTS_ALGORITHMS = `is no list of algorithms; write some of ${ALGORITHMS.join(', ')}`;
const algorithms = () =>
  z
    .union([z.array(z.string()), z.string()], { error: WANTS_ALGORITHMS })
    .transform((written) => (typeof written === 'string' ? written.split(',').map((part) => part.trim()) : written))
    .pipe(z.array(z.enum(ALGORITHMS, { error: WANTS_ALGORITHMS })).min(1, WANTS_ALGORITHMS));

const skew = () =>
  duration().refine((ms) => ms <= SKEW_MAX_MS, `is longer than ${durationText(SKEW_MAX_MS)}; set the clocks instead`);

/** Whoever can change the keys on their way can sign as the issuer. */
const keysUrl = () =>
  z
    .url({ protocol: /^https?$/, error: 'is no https URL; write one such as "https://id.example/jwks.json"' })
    .refine(
      (url) => url.startsWith('https:') || isLoopback(new URL(url).hostname),
      'is plain http, by which anybody on the way could give keys of their own; use https, or jwksFile',
    );

const jwtSchema = z.strictObject({
  issuer: z.string().min(1, 'is empty').register(says, { meaning: 'The `iss` that is trusted.', byDefault: null }),
  audience: z
    .string()
    .min(1, 'is empty')
    .register(says, { meaning: 'The name of this farm that must be in `aud`.', byDefault: null }),
  algorithms: algorithms()
    .prefault([...ALGORITHMS_DEFAULT])
    .register(says, {
      meaning: `The algorithms by which it may be signed, of ${ALGORITHMS.join(', ')}.`,
      byDefault: ALGORITHMS_DEFAULT.join(', '),
    }),
  jwksFile: z.string().min(1, 'is empty; name a file').nullable().default(null).register(says, {
    meaning: "A file with the issuer's public keys (a JWK set). Read again when it changes. This or `jwksUrl`.",
    byDefault: 'none',
  }),
  jwksUrl: keysUrl().nullable().default(null).register(says, {
    meaning: 'Where the issuer publishes its keys. Fetched when they are wanted, and anew when they are 10 min old.',
    byDefault: 'none',
  }),
  rolesClaim: z.string().min(1, 'is empty').default('stationgrid_roles').register(says, {
    meaning:
      'The claim that grants roles: a list of `INSTANCE:ROLE`, such as `line-1:operator`; `*` is every instance. Roles: viewer, submitter, operator, admin, bridge.',
    byDefault: 'stationgrid_roles',
  }),
  clockSkew: skew()
    .prefault(SKEW_DEFAULT_MS / 1000)
    .register(says, {
      meaning: "How far the issuer's clock and ours may differ; 60 s at the most.",
      byDefault: durationText(SKEW_DEFAULT_MS),
    }),
});

export const authSchema = z.strictObject({
  farm: z
    .string()
    .regex(TRUST_DOMAIN, 'is no SPIFFE trust domain; write lower-case letters, digits, dots, dashes, underscores')
    .nullable()
    .default(null)
    .register(says, {
      meaning:
        'The SPIFFE trust domain of the farm. A client certificate of `spiffe://FARM/instance/INSTANCE/bot/BOT`, signed by one of `tls.clientAuthorities`, is that bot.',
      byDefault: 'none: certificates name nobody',
    }),
  botTokens: onOff().prefault(false).register(says, {
    meaning: 'Bots may show a token instead, made with `stationgrid bot token create`.',
    byDefault: 'false',
  }),
  jwt: jwtSchema.nullable().default(null).register(says, {
    meaning: 'People and programs show a JWT that this issuer signed.',
    byDefault: 'none: nobody has a role',
  }),
});

export type Auth = z.output<typeof authSchema>;

export const authMisfits = ({
  auth,
  tls,
}: {
  readonly auth: Auth;
  readonly tls: 'terminated-by-proxy' | { readonly clientAuthorities: string | null } | null;
}): readonly string[] => {
  const { farm, jwt } = auth;
  const seesCertificates = tls !== null && tls !== 'terminated-by-proxy' && tls.clientAuthorities !== null;
  return [
    ...(farm !== null && !seesCertificates
      ? ['auth.farm: no door sees a client certificate; set `tls` with `clientAuthorities`, or use auth.botTokens']
      : []),
    ...(jwt !== null && (jwt.jwksFile === null) === (jwt.jwksUrl === null)
      ? ["auth.jwt: give the issuer's keys by one of `jwksFile` and `jwksUrl`"]
      : []),
  ];
};

/** As a person would write it. */
export const authText = ({ jwt, ...auth }: Auth) => ({
  ...auth,
  jwt: jwt === null ? null : { ...jwt, clockSkew: durationText(jwt.clockSkew) },
});
