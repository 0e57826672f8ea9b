/** The two roles by which a farm meets a PostgreSQL server that it was given. */
import type { Secret } from '../core/secret.ts';

type Named = { readonly databaseUrl: Secret | null; readonly ownerDatabaseUrl: Secret | null };

export type GivenDatabase = {
  /** As the farm serves. */
  readonly url: string;
  /** As the schema is made; the same where one role does both. */
  readonly ownerUrl: string;
  /** The role that serves is to be granted what it needs; absent: it owns the schema. */
  readonly migrateOptions: { readonly applicationRole?: string };
};

/** Null: none was given, the farm starts one of its own. */
export const givenDatabase = ({ databaseUrl, ownerDatabaseUrl }: Named): GivenDatabase | null => {
  if (databaseUrl === null) return null;
  const url = databaseUrl.reveal();
  if (ownerDatabaseUrl === null) return { url, ownerUrl: url, migrateOptions: {} };
  return { url, ownerUrl: ownerDatabaseUrl.reveal(), migrateOptions: { applicationRole: roleOf(url) } };
};

/** Two roles need two names. */
export const roleMisfits = ({ databaseUrl, ownerDatabaseUrl }: Named): readonly string[] => {
  if (ownerDatabaseUrl === null) return [];
  if (databaseUrl === null) return ['ownerDatabaseUrl: is of no use without databaseUrl; give both, or neither'];
  const [role, owner] = [databaseUrl, ownerDatabaseUrl].map((url) => roleOf(url.reveal()));
  if (role === '') return ['databaseUrl: names no user; beside an ownerDatabaseUrl it must, to be granted its rights'];
  return role === owner
    ? ['ownerDatabaseUrl: is the role of databaseUrl; leave it out, or give the owner its own']
    : [];
};

/** Empty where the URL leaves it to the system's user. */
const roleOf = (url: string): string => {
  if (!URL.canParse(url)) return '';
  const { username, searchParams } = new URL(url);
  return username === '' ? (searchParams.get('user') ?? '') : decodeURIComponent(username);
};
