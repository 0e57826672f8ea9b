/**
 * A recording of the farm becomes a script of pgbench: the same statements with parameters of the same size, in the same
 * transactions, with the same round trips. What differs from run to run is found by its value. An id that an answer brought
 * first is caught from that answer; one that the farm made up is made up anew.
 */
import type { Sent } from './recording.ts';

/** A value of the recording that is another one in each run, and the variable of pgbench that stands for it. */
export type Known = { readonly value: string; readonly variable: string };

/** An id that pgbench can make up: what is random in it are decimal digits, which are hexadecimal ones too. */
const madeUp = (variable: string): string => `:${variable}_a::text || '-0000-4000-8000-' || :${variable}_b::text`;

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Ids of rows are made this long in the recorded database, so that no other number looks like one. */
const ROW_ID = /(?<!\d)[789]\d{9}(?!\d)/g;

/** For the sequence of a table, so that its ids are found in the recording. */
export const FIRST_JOB = 7_000_000_001;
export const FIRST_DEVICE = 8_000_000_001;

export type Script = {
  readonly text: string;
  /** Statements between the first and the last, those included. */
  readonly statements: number;
};

export type ScriptParts = {
  readonly sent: readonly Sent[];
  /** Known when the run begins, as variables that hold text. */
  readonly given: readonly Known[];
  /**
   * The lease and the job with which a run begins, and those with which it ends and the next one begins. Of the lease the
   * variable is the stem of two: the first eight digits of its id and its last twelve.
   */
  readonly lease: { readonly first: string; readonly next: string };
  readonly job: { readonly first: string; readonly next: string };
  /** Run once a connection: sets `given`, `job`, `lease_a` and `lease_b`, by one row. */
  readonly opening: string;
  /** Statements that were sent without waiting are sent so. */
  readonly pipelines: boolean;
};

export const toScript = (parts: ScriptParts): Script => {
  const book = openBook(parts);
  const made: string[] = [];
  const steps = parts.sent.map((sent, index): Step => {
    const statement = rendered(sent, book, made);
    return { statement, caught: catches(sent, book, index, parts.sent), isPipelined: sent.isPipelined };
  });
  const next = book.get(parts.lease.next);
  const job = book.get(parts.job.next);
  if (next === undefined || job === undefined) throw new Error('the recording ends without the lease of the next run');
  const opening = ['\\if :ready = 0', `${parts.opening} \\gset`, '\\set ready 1', '\\endif'];
  const body = parts.pipelines ? inPipelines(steps) : steps.map(lineOf);
  const handOver = [...['a', 'b'].map((half) => `\\set lease_${half} :${next.stem}_${half}`), `\\set job :${job.stem}`];
  return { text: [...opening, ...made, ...body, ...handOver, ''].join('\n'), statements: parts.sent.length };
};

/** @param caught the prefix of the variables that take the answer; null: nobody needs it. */
type Step = { readonly statement: string; readonly caught: string | null; readonly isPipelined: boolean };

const lineOf = ({ statement, caught }: Step): string =>
  caught === null ? `${statement};` : `${statement} \\gset ${caught}_`;

/** An answer that is needed is waited for, so a pipeline ends before it, as it did when it was recorded. */
const inPipelines = (steps: readonly Step[]): string[] => {
  const lines: string[] = [];
  let isOpen = false;
  steps.forEach((step, index) => {
    const next = steps[index + 1];
    const goesOn = step.caught === null && next?.isPipelined === true && next.caught === null;
    if (goesOn && !isOpen) lines.push('\\startpipeline');
    lines.push(lineOf(step));
    if (isOpen && !goesOn) lines.push('\\endpipeline');
    isOpen = goesOn;
  });
  return lines;
};

/** How a value is written in the script. */
type Spelling = { readonly stem: string; readonly expression: string };
type Book = Map<string, Spelling>;

const openBook = ({ given, lease, job }: ScriptParts): Book =>
  new Map([
    ...given.map(({ value, variable }): [string, Spelling] => [
      value,
      { stem: variable, expression: `:${variable}::text` },
    ]),
    [lease.first, { stem: 'lease', expression: madeUp('lease') }],
    [job.first, { stem: 'job', expression: ':job::text' }],
  ]);

/** Named by the column of the only row of its answer in which an id is seen that comes up later; null: there is none. */
const catches = (sent: Sent, book: Book, index: number, all: readonly Sent[]): string | null => {
  const [row] = sent.rows;
  if (row === undefined || sent.rows.length !== 1) return null;
  const later = all
    .slice(index + 1)
    .flatMap(({ values }) => values.map(textOf))
    .join('\n');
  let isCaught = false;
  for (const [column, value] of Object.entries(row)) {
    const text = String(value);
    if (book.has(text) || !isId(text) || !later.includes(text)) continue;
    book.set(text, { stem: `s${index}_${column}`, expression: `:s${index}_${column}::text` });
    isCaught = true;
  }
  return isCaught ? `s${index}` : null;
};

const isId = (text: string): boolean => (text.match(UUID)?.[0] ?? text.match(ROW_ID)?.[0]) === text;

const rendered = (sent: Sent, book: Book, made: string[]): string =>
  sent.text
    // A comment of SQL might hold what pgbench takes for a variable or for an end.
    .replaceAll(/--[^\n]*/g, '')
    .replaceAll(/\$(\d+)/g, (_whole, number: string) => parameterOf(sent.values[Number(number) - 1], book, made))
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();

/** A parameter as an expression of literals and variables. */
const parameterOf = (value: unknown, book: Book, made: string[]): string => {
  if (value === null || value === undefined) return 'null';
  const text = textOf(value);
  const pieces = piecesOf(text, book, made);
  const [only] = pieces;
  if (only === undefined) return `''`;
  const joined = pieces.join(' || ');
  if (joined !== only || only.includes(' || ')) return `(${joined})`;
  // Alone, a variable takes its type from where it stands, as a parameter does.
  return only.replace(/^(:\w+)::text$/, '$1');
};

const piecesOf = (text: string, book: Book, made: string[]): string[] => {
  for (const id of text.match(UUID) ?? []) {
    if (isWithinKnown(text, id, book)) continue;
    const stem = `new${book.size}`;
    made.push(`\\set ${stem}_a random(10000000, 99999999)`, `\\set ${stem}_b random(100000000000, 999999999999)`);
    book.set(id, { stem, expression: madeUp(stem) });
  }
  // The longest first: a session's name holds an id.
  const values = [...book.keys()].sort((a, b) => b.length - a.length);
  const splitting = new RegExp(
    `(${values.map((value) => value.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|')})`,
  );
  return text
    .split(splitting)
    .filter((piece) => piece !== '')
    .flatMap((piece) => book.get(piece)?.expression ?? literals(piece));
};

const isWithinKnown = (text: string, id: string, book: Book): boolean =>
  [...book.keys()].some((value) => value.includes(id) && text.includes(value));

/** pgbench looks for its variables inside literals too, so a colon and the letter behind it are kept apart. */
const literals = (text: string): string[] =>
  text.split(/(?<=:)(?=[A-Za-z_])/).map((piece) => `'${piece.replaceAll(`'`, `''`)}'`);

/** As pg writes a parameter. */
const textOf = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `{${value.map(elementOf).join(',')}}`;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return JSON.stringify(value);
};

const elementOf = (value: unknown): string => {
  if (value === null || value === undefined) return 'NULL';
  const text = textOf(value);
  return typeof value === 'number' ? text : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
};
