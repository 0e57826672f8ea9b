/** The schema of a database as text, for people and for comparing. */
import { readFileSync } from 'node:fs';
import type { ClientBase, Pool } from 'pg';
import { APPLICATION_ROLE } from '../../src/store/embedded/found.ts';

const DUMP = readFileSync(new URL('./schema-dump.sql', import.meta.url), 'utf8');

/** Functions, sequences, tables, indexes, triggers, views, and what farms may do with them. */
export async function dumpSchema(db: ClientBase | Pool): Promise<string> {
  const { rows } = await db.query<{ text: string }>(DUMP, [APPLICATION_ROLE]);
  return rows.map(({ text }) => `${text}\n`).join('\n');
}
