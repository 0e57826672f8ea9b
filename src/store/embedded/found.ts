import type { ClientBase } from 'pg';

/** Held while roles and database are made. */
const FOUNDING_LOCK = 7_401_936_003n;

export const DATABASE = 'stationgrid';
/** Runs migrations and owns what they make. */
export const OWNER_ROLE = 'stationgrid_owner';
/** What farms connect as. */
export const APPLICATION_ROLE = 'stationgrid';

/** Makes the roles and the database, as far as they are missing. Any number of farms may call this at once. */
export async function foundDatabase(superuser: ClientBase): Promise<void> {
  if ((await missing(superuser)).length === 0) return;
  await superuser.query('select pg_advisory_lock($1)', [FOUNDING_LOCK]);
  try {
    for (const statement of await missing(superuser)) await superuser.query(statement);
  } finally {
    await superuser.query('select pg_advisory_unlock($1)', [FOUNDING_LOCK]);
  }
}

/** The statements still owed; the database comes last, so that its being there says that all is. */
async function missing(superuser: ClientBase): Promise<readonly string[]> {
  const { rows } = await superuser.query<{ found: string }>(
    `select 'role ' || rolname as found from pg_roles union all select 'database ' || datname from pg_database`,
  );
  const found = new Set(rows.map((row) => row.found));
  return [
    ...[OWNER_ROLE, APPLICATION_ROLE]
      .filter((role) => !found.has(`role ${role}`))
      .map((role) => `create role ${role} login`),
    ...(found.has(`database ${DATABASE}`) ? [] : [`create database ${DATABASE} owner ${OWNER_ROLE}`]),
  ];
}
