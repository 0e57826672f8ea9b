/** What is known of one file that DUTs are given by name: its versions, which is active, and which was when. */
import {
  type ParameterActivation,
  parameterPath,
  type ParameterState,
  parameterState,
  type ParameterVersion,
} from '../core/parameter.ts';
import { Refusal } from '../core/refusal.ts';
import { readActivations, readVersions } from '../store/parameters.ts';
import type { FarmSeams } from './farm.ts';
import type { ParameterShelf } from './parameter-shelf.ts';

export type ParameterView = {
  readonly path: string;
  readonly state: ParameterState;
  /** Null: none was ever active. */
  readonly activeVersion: number | null;
  /** Newest first. */
  readonly versions: readonly ParameterVersion[];
  /** Newest first; so many as `limits.parameters.activationsShown`. */
  readonly activations: readonly ParameterActivation[];
};

/** @throws Refusal NOT_FOUND; INVALID. */
export const getParameter = async (
  { pool, limits }: Pick<FarmSeams, 'pool' | 'limits'>,
  shelf: ParameterShelf,
  path: string,
): Promise<ParameterView> => {
  const name = { depot: shelf.depot, path: parameterPath(path) };
  const versions = await readVersions(pool, name);
  const activations = await readActivations(pool, name, limits.parameters.activationsShown);
  const given = await shelf.given(path);
  if (versions.length === 0 && given === null) throw noSuchParameter(path);
  const active = versions.find(({ version }) => version === activations[0]?.version);
  const state = parameterState(active?.sha256 ?? null, given?.sha256 ?? null);
  return { path, state, activeVersion: active?.version ?? null, versions, activations };
};

export const noSuchParameter = (path: string): Refusal => {
  const words = `There is no parameter ${JSON.stringify(path)}. \`stationgrid parameters list\` shows which there are.`;
  return new Refusal('NOT_FOUND', 'NO_SUCH_PARAMETER', words);
};
