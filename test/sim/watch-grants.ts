/**
 * Only a session's home grants through it (invariant 4). What a former home writes looks sound in the tables, so the grants
 * are looked at as they are written: the one place where the simulation reads the farm's own statements.
 */
import type { Backend, SimDatabase } from './sim-database.ts';
import type { World } from './world.ts';

const GRANTS = /^\s*insert into leases /;

export const watchGrants =
  (world: World, replicaId: string, name: string) =>
  async (database: SimDatabase, backend: Backend, text: string, values: readonly unknown[]): Promise<void> => {
    if (!GRANTS.test(text)) return;
    const sessions = toGrants(values[0]).map(({ sessionName }) => sessionName);
    const { rows } = await database.run(
      backend,
      'select name from bot_sessions where name = any($1::text[]) and home_replica <> $2 order by name',
      [sessions, replicaId],
    );
    if (rows.length === 0) return;
    world.violate('4: only its home writes through a session', `${name} granted a lease through one that has moved on`);
  };

function toGrants(json: unknown): readonly { readonly sessionName: string }[] {
  return JSON.parse(String(json)) as readonly { readonly sessionName: string }[];
}
