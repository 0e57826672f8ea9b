/** The doctor: everything that must always hold and that SQL can check, asked at once. */
import { readFile } from 'node:fs/promises';
import type { Queryable } from './transaction.ts';

/** Something that must always hold, and does not. */
export type Finding = {
  /** Its number in ARCHITECTURE.md. */
  readonly invariant: string;
  /** What is wrong. */
  readonly words: string;
  /** With which job, lease, lane or call. */
  readonly what: string;
};

const STATEMENT = new URL('./doctor.sql', import.meta.url);

/** Reads the whole database in one snapshot and changes nothing; a sound farm has no findings. Safe while it serves. */
export const runDoctor = async (db: Queryable): Promise<Finding[]> => {
  const { rows } = await db.query<Finding>(await readFile(STATEMENT, 'utf8'));
  return rows;
};
