/** Lists the files that DUTs are given by name, by path, page by page: those with versions, and those put there by hand. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { type ParameterState, parameterState } from '../core/parameter.ts';
import { type ParameterOnRecord, readParameters } from '../store/parameters.ts';
import type { FarmSeams } from './farm.ts';
import { type PageAsked, pageSizeOf } from './page.ts';
import type { ParameterShelf } from './parameter-shelf.ts';

export type ParameterEntry = Omit<ParameterOnRecord, 'active'> & {
  readonly state: ParameterState;
  /** Of what DUTs are given; null: nothing. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** Null: none was ever active. */
  readonly activeVersion: number | null;
  readonly activatedAt: Date | null;
  readonly activatedBy: string | null;
};

/** `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listParameters = async (
  { pool, limits }: Pick<FarmSeams, 'pool' | 'limits'>,
  shelf: ParameterShelf,
  query: PageAsked,
): Promise<{ readonly parameters: readonly ParameterEntry[]; readonly nextPageToken: string }> => {
  const size = pageSizeOf(limits, query);
  const scope = ['parameters', shelf.depot];
  const after = query.pageToken === '' ? '' : String(positionOf(scope, query.pageToken, ['text'])[0]);
  const onRecord = new Map((await readParameters(pool, shelf.depot)).map((each) => [each.path, each]));
  const paths = [...new Set([...onRecord.keys(), ...(await shelf.names())])].filter((path) => path > after).sort();
  const parameters: ParameterEntry[] = [];
  for (const path of paths.slice(0, size)) parameters.push(await entryOf(shelf, path, onRecord.get(path)));
  const last = paths.length > size ? parameters.at(-1) : undefined;
  return { parameters, nextPageToken: last === undefined ? '' : cursorOf(scope, [last.path]) };
};

const entryOf = async (shelf: ParameterShelf, path: string, known?: ParameterOnRecord): Promise<ParameterEntry> => {
  const given = await shelf.given(path);
  const active = known?.active ?? null;
  return {
    path,
    state: parameterState(active?.sha256 ?? null, given?.sha256 ?? null),
    versions: known?.versions ?? 0,
    bytes: given?.bytes ?? null,
    sha256: given?.sha256 ?? null,
    activeVersion: active?.version ?? null,
    activatedAt: active?.activatedAt ?? null,
    activatedBy: active?.activatedBy ?? null,
  };
};
