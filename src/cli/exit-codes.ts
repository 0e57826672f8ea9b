/** What the command says by its exit code. Documented in `stationgrid --help` and docs/reference/cli.md from this table. */
const table = {
  ok: [0, 'Done.'],
  workFailed: [
    1,
    'The work failed: a job that was waited for did not pass, the doctor or a check found something, a replay differed.',
  ],
  usage: [2, 'The command line was not understood. Nothing was done.'],
  refused: [3, 'The farm, or the command in its stead, refused and said why. Nothing was changed.'],
  unreachable: [
    4,
    'The farm (or, for `db`, its database; for `shopfloor`, the service) cannot be reached, or cannot answer just now.',
  ],
  gaveUp: [5, 'The time given by --timeout is over. A job goes on.'],
  bug: [70, 'A defect, here or in the farm. The words above it belong in a bug report.'],
  cannotStart: [78, 'The configuration, the machine or the database must be changed before another try.'],
  interrupted: [130, 'Ended early by Ctrl-C or SIGTERM, in order. What was found until then is printed.'],
} as const;

type Table = typeof table;

export const EXIT = toCodes(table);
export type ExitCode = Table[keyof Table][0];

/** Code and meaning, by rising code. */
export const exitMeanings: readonly (readonly [code: number, meaning: string])[] = Object.values(table);

/** Entries lose their key types; that they come from the table, name by name, is what makes this true. */
function toCodes(from: Table): { readonly [K in keyof Table]: Table[K][0] } {
  return Object.fromEntries(Object.entries(from).map(([name, [code]]) => [name, code])) as {
    readonly [K in keyof Table]: Table[K][0];
  };
}
