/** Gives DUTs another version of a file: all of it, or what they were given before, whatever dies in between. */
import { parameterPath, type ParameterVersion } from '../core/parameter.ts';
import { Refusal } from '../core/refusal.ts';
import {
  insertActivation,
  insertVersion,
  type ParameterName,
  readActivations,
  readFormerVersion,
  readVersions,
} from '../store/parameters.ts';
import type { Queryable } from '../store/transaction.ts';
import { lockUploads } from '../store/uploads.ts';
import { type FarmSeams, transact } from './farm.ts';
import { noSuchParameter } from './get-parameter.ts';
import { checkedReason } from './operators-reason.ts';
import { parameterLock, type ParameterShelf } from './parameter-shelf.ts';

export type ParameterChange = {
  readonly instance: string;
  readonly path: string;
  readonly reason: string;
  readonly by: string;
};

/** Repeating it is harmless, and heals what was changed by hand. @throws Refusal NOT_FOUND; INVALID. */
export const activateParameter = (
  farm: FarmSeams,
  shelf: ParameterShelf,
  change: ParameterChange & { readonly version: number },
): Promise<void> => turnTo(farm, shelf, { ...change, pick: () => Promise.resolve(change.version) });

/** To the version that was active before; rolling back twice is as not at all. @throws Refusal NOT_FOUND; WRONG_STATE; INVALID. */
export const rollBackParameter = (farm: FarmSeams, shelf: ParameterShelf, change: ParameterChange): Promise<void> =>
  turnTo(farm, shelf, {
    ...change,
    pick: async (db, name) => {
      const former = await readFormerVersion(db, name);
      if (former !== null) return former;
      const words = `No other version of ${JSON.stringify(change.path)} was ever active. Activate one by its number.`;
      throw new Refusal('WRONG_STATE', 'NOTHING_TO_ROLL_BACK', words);
    },
  });

type Turn = ParameterChange & { readonly pick: (db: Queryable, name: ParameterName) => Promise<number> };

const turnTo = (farm: FarmSeams, shelf: ParameterShelf, { pick, ...change }: Turn): Promise<void> => {
  const path = parameterPath(change.path);
  const name = { depot: shelf.depot, path };
  const reason = checkedReason(farm.limits, change.reason, { required: false });
  return transact(farm, async (db) => {
    await lockUploads(db, name.depot, parameterLock(path));
    // The record is asked in there: its answer proves that nobody else has turned the file since the lock was taken.
    return shelf.alone(path, async () => {
      const versions = await readVersions(db, name);
      if (versions.length === 0) throw noSuchParameter(path);
      await keepFound(db, { shelf, name, change, versions });
      const wanted = await pick(db, name);
      const content = versions.find(({ version }) => version === wanted) ?? null;
      if (content === null) throw noSuchVersion(path, wanted, versions);
      await shelf.give(path, content.sha256);
      const [active] = await readActivations(db, name, 1);
      if (active?.version === wanted) return;
      await insertActivation(db, name, { version: wanted, reason, activatedBy: change.by });
    });
  });
};

type Found = {
  readonly shelf: ParameterShelf;
  readonly name: ParameterName;
  readonly change: ParameterChange;
  readonly versions: readonly ParameterVersion[];
};

/** What somebody has put there by hand becomes a version, so that it can be rolled back to. */
const keepFound = async (db: Queryable, { shelf, name, change, versions }: Found): Promise<void> => {
  const given = await shelf.given(name.path);
  if (given === null || versions.some(({ sha256 }) => sha256 === given.sha256)) return;
  const kept = await shelf.keepGiven(name.path);
  const made = { instance: change.instance, origin: 'FOUND', note: 'put there by hand', madeBy: '' } as const;
  const version = await insertVersion(db, { ...name, ...kept, ...made });
  await insertActivation(db, name, { version, reason: 'found in its place', activatedBy: '' });
};

const noSuchVersion = (path: string, version: number, versions: readonly ParameterVersion[]) => {
  const there = versions.map((each) => each.version);
  const words = `${JSON.stringify(path)} has no version ${version}; it has 1 to ${Math.max(...there)}.`;
  return new Refusal('NOT_FOUND', 'NO_SUCH_VERSION', words);
};
