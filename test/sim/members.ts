/** People and their programs: what the farm takes from their JWT, with no signature to check, which would be all its cost. */
import { Refusal } from '../../src/core/refusal.ts';
import type { Grant, Role } from '../../src/core/principal.ts';
import { type Credentials, type Known, NO_CREDENTIALS } from '../../src/farm/identify.ts';

const ROLES = {
  scheduler: 'submitter',
  operator: 'operator',
  console: 'viewer',
  admin: 'admin',
} as const satisfies Record<string, Role>;

export type Member = keyof typeof ROLES;

const bearerOf = (member: string): string => `simulated.${member}.unsigned`;

export const shownBy = (member: Member): Credentials => ({ ...NO_CREDENTIALS, bearer: bearerOf(member) });

const principals = new Map<string, Known['principal']>(
  Object.entries(ROLES).map(([name, role]) => {
    const grants: readonly Grant[] = [{ instance: '*', role }];
    return [bearerOf(name), { kind: 'member', name: `member:${name}`, grants }];
  }),
);

/** In the place of the reader of JWTs (src/identity/jwt.ts). */
export const memberOf = (bearer: string): Promise<Known> => {
  const principal = principals.get(bearer);
  // Theirs never end. Each call has a signal of its own: what a killed replica has hung on one must not outlive its world.
  return principal === undefined
    ? Promise.reject(new Refusal('UNAUTHENTICATED', 'JWT_UNKNOWN', 'No member of the simulated farm has this token.'))
    : Promise.resolve({ principal, until: new AbortController().signal });
};
