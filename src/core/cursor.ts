/**
 * Where a list or a stream goes on: opaque to its reader, versioned, and bound to what was asked, so that a token of one
 * question is refused by another instead of answering it wrongly.
 */
import { createHash } from 'node:crypto';
import { invalid } from './refusal.ts';
import { isUuid } from './uuid.ts';

const VERSION = 1;
/** Our own are far shorter; what is longer is not ours. */
const CURSOR_LENGTH_MAX = 2048;

export type Position = readonly (string | number)[];
/** What each part of a position is. */
export type PositionShape = readonly (keyof typeof fits)[];

/** Whoever reads the position gives it to the database as it is. */
const fits = {
  text: (part: unknown): boolean => typeof part === 'string' && !part.includes('\0'),
  number: (part: unknown): boolean => Number.isSafeInteger(part),
  uuid: (part: unknown): boolean => typeof part === 'string' && isUuid(part),
} as const;

/** @param asked what the position belongs to: the list's name and its filters, in a fixed order. */
export const cursorOf = (asked: readonly unknown[], position: Position): string =>
  Buffer.from(JSON.stringify([VERSION, scopeOf(asked), ...position])).toString('base64url');

/** @throws Refusal INVALID, BAD_CURSOR for anything that `cursorOf` did not make for the same question. */
export const positionOf = (asked: readonly unknown[], cursor: string, shape: PositionShape): Position => {
  const [version, scope, ...position] = read(cursor);
  if (version !== VERSION) throw badCursor('it was made by another version of the farm');
  if (scope !== scopeOf(asked)) throw badCursor('it belongs to a question with other filters');
  if (position.length !== shape.length) throw badCursor('it is not one of ours');
  return position.map((part, index) => {
    const kind = shape[index];
    if (kind === undefined || !fits[kind](part) || (typeof part !== 'string' && typeof part !== 'number'))
      throw badCursor('it is not one of ours');
    return part;
  });
};

const read = (cursor: string): readonly unknown[] => {
  if (cursor.length > CURSOR_LENGTH_MAX) throw badCursor('it is too long');
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parsed)) return parsed;
  } catch {
    // Falls through: whatever it is, it is not ours.
  }
  throw badCursor('it is not one of ours');
};

const badCursor = (why: string) =>
  invalid('BAD_CURSOR', `The page token or cursor cannot be used: ${why}. Start again without one.`);

/** A few bytes tell questions apart; nothing secret hangs on it. */
const SCOPE_LENGTH = 11;
const scopeOf = (asked: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, SCOPE_LENGTH);
