/**
 * Only a session's home grants through it and keeps it alive (invariant 4). What a former home writes looks sound in the
 * tables, so it is looked at as it is written: the one place where the simulation reads the farm's own statements.
 */
import type { Backend, SimDatabase } from './sim-database.ts';
import type { World } from './world.ts';

/** What is written through sessions, and through which. */
const WRITES: readonly {
  readonly text: RegExp;
  readonly what: string;
  readonly through: (value: unknown) => readonly string[];
}[] = [
  {
    text: /^\s*insert into open_leases /,
    what: 'granted a lease through',
    through: (json) => toGrants(json).map(({ sessionName }) => sessionName),
  },
  { text: /^\s*update bot_sessions\s+set state = 'OPEN', seen_at/, what: 'renewed', through: toNames },
];

export const watchGrants =
  (world: World, replicaId: string, name: string) =>
  async (database: SimDatabase, backend: Backend, text: string, values: readonly unknown[]): Promise<void> => {
    const write = WRITES.find((each) => each.text.test(text));
    if (write === undefined) return;
    const { rows } = await database.run(
      backend,
      'select name from bot_sessions where name = any($1::text[]) and home_replica <> $2 order by name',
      [write.through(values[0]), replicaId],
    );
    if (rows.length === 0) return;
    world.violate('4: only its home writes through a session', `${name} ${write.what} one that has moved on`);
  };

function toGrants(json: unknown): readonly { readonly sessionName: string }[] {
  return JSON.parse(String(json)) as readonly { readonly sessionName: string }[];
}

function toNames(names: unknown): readonly string[] {
  return names as readonly string[];
}
