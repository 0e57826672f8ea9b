/** Replicas that start at once migrate one after another. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../../src/store/migrate.ts';
import { urlOf } from '../../support/test-server.ts';
import type { Pair } from '../cross.ts';
import type { Side } from '../side.ts';

/** An empty database of its own for each schedule; it is gone once it was looked at. */
const emptyDatabase = async () => {
  const server = inject('testServer');
  const name = `migrating_${randomBytes(6).toString('hex')}`;
  const founder = await connected(urlOf(server.url, { user: server.superuser, database: 'postgres' }));
  await founder.query(`create database ${name} owner ${server.ownerRole} template template0`);
  const url = urlOf(server.url, { user: server.ownerRole, database: name });
  const drop = async (): Promise<void> => {
    await founder.query(`drop database ${name} with (force)`);
    await founder.end();
  };
  return { url, applicationRole: new URL(server.url).username, drop };
};

const connected = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client(url);
  await client.connect();
  return client;
};

/** What is migrated to matters less than who does it when. */
const folder = new URL('../small-migrations/', import.meta.url);

const migrates = (side: Side, client: pg.Client, applicationRole: string) => (): Promise<string> =>
  migrate(side.gated(client), { applicationRole, folder }).then((applied) =>
    applied.length > 0 ? 'migrated' : 'nothing to do',
  );

export const migrationPairs: readonly Pair[] = [
  {
    name: 'migrate / migrate',
    ready: async ({ sides: [a, b] }) => {
      const { url, applicationRole, drop } = await emptyDatabase();
      const [one, two] = [await connected(url), await connected(url)];
      return {
        a: migrates(a, one, applicationRole),
        b: migrates(b, two, applicationRole),
        stands: async () => {
          const { rows } = await one.query<{ words: string }>(
            `select case when count(*) = count(distinct number) and min(number) = 1 and max(number) = count(*)
                         then 'each once' else 'not each once' end as words from schema_migrations`,
          );
          await one.end();
          await two.end();
          await drop();
          return rows[0]?.words ?? '';
        },
      };
    },
    ends: [
      ['migrated', 'nothing to do', 'each once'],
      ['nothing to do', 'migrated', 'each once'],
    ],
  },
];
