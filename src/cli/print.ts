/** How answers look: tables for people, JSON for programs. */
import Table from 'cli-table3';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import type { Timestamp } from '../gen/google/protobuf/timestamp.ts';
import { plainJson } from './plain-json.ts';
import type { Terminal } from './terminal.ts';

/** Nothing to say here. */
export const NONE = '-';

/** No lines around the cells: the eye does not need them, and `awk` is glad. */
const bare = {
  chars: {
    ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
    ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
    ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
  },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
};

export type Cell = string | number | bigint;

/**
 * Texts come from bots, DUTs and partners. What would move the cursor or colour the screen is shown as a space, so that
 * none of them can write over what the farm says.
 */
const cellText = (cell: Cell): string => {
  const text = String(cell)
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim();
  return text === '' ? NONE : text;
};

export const printTable = (terminal: Terminal, head: readonly string[], rows: readonly (readonly Cell[])[]): void => {
  const table = new Table({ ...bare, head: [...head] });
  table.push(...rows.map((row) => row.map(cellText)));
  for (const line of table.toString().split('\n')) terminal.print(line.trimEnd());
};

/** One thing, a line for each of its facts. */
export const printFacts = (terminal: Terminal, facts: readonly (readonly [string, Cell])[]): void => {
  const table = new Table(bare);
  table.push(...facts.map(([name, cell]) => [`${name}:`, cellText(cell)]));
  for (const line of table.toString().split('\n')) terminal.print(line.trimEnd());
};

/** One JSON value, for a person's eye when indented, on a line of its own when it is one of many. */
export const printJson = (terminal: Terminal, value: unknown, shape: 'indented' | 'line' = 'indented'): void =>
  terminal.print(JSON.stringify(plainJson(value), null, shape === 'indented' ? 2 : undefined));

/** A list with what was left out of it. */
export const sayMore = (terminal: Terminal, hasMore: boolean): void => {
  if (hasMore) terminal.say('There are more: raise --limit, or --limit 0 for all.');
};

export const dateOf = ({ seconds, nanos }: Timestamp): Date => new Date(Number(seconds) * 1000 + nanos / 1e6);

/** As the clock on the wall shows it: `2026-03-01 14:05:09`. */
export const localTime = (time: Timestamp | Date | undefined): string => {
  if (time === undefined) return NONE;
  const date = time instanceof Date ? time : dateOf(time);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[two(date.getHours()), two(date.getMinutes()), two(date.getSeconds())].join(':')}`;
};

/** `90s`, `0.25s`. */
export const secondsText = ({ seconds, nanos }: Duration): string => `${String(Number(seconds) + nanos / 1e9)}s`;

export const durationCell = (duration: Duration | undefined): string =>
  duration === undefined ? NONE : secondsText(duration);

/** `serials.serial_number=SN1`, the name's common beginning left out. */
export const serialsCell = (serials: Readonly<Record<string, string>>): string =>
  Object.entries(serials)
    .map(([name, value]) => `${name.replace(/^serials\./, '')}=${value}`)
    .join(' ');
