/** Puts a new version of a file that DUTs are given by name on record. Nothing is given to a DUT by that. */
import { type ParameterContent, parameterPath } from '../core/parameter.ts';
import { Refusal } from '../core/refusal.ts';
import { countParameters, insertVersion, readVersions } from '../store/parameters.ts';
import { lockUploads } from '../store/uploads.ts';
import { type FarmSeams, transact } from './farm.ts';
import { checkedReason } from './operators-reason.ts';
import { parameterLock, type ParameterShelf } from './parameter-shelf.ts';

export type ParameterUpload = ParameterContent & {
  readonly instance: string;
  readonly path: string;
  /** For people; may be empty. */
  readonly note: string;
  readonly by: string;
};

/**
 * @param keep keeps its content for good. One that the path has had before is that version still: repeating it is harmless.
 * @throws Refusal INVALID; LIMIT_REACHED.
 */
export const uploadParameter = (
  farm: FarmSeams,
  { depot }: ParameterShelf,
  upload: ParameterUpload,
  keep: () => Promise<void>,
): Promise<{ readonly version: number; readonly isNew: boolean }> => {
  const { instance, bytes, sha256, by: madeBy } = upload;
  const path = parameterPath(upload.path);
  const note = checkedReason(farm.limits, upload.note, { required: false });
  return transact(farm, async (db) => {
    await lockUploads(db, depot, parameterLock(path));
    const versions = await readVersions(db, { depot, path });
    const same = versions.find((version) => version.sha256 === sha256);
    if (same !== undefined) {
      await keep();
      return { version: same.version, isNew: false };
    }
    const { versionsMax, pathsMax } = farm.limits.parameters;
    if (versions.length >= versionsMax)
      throw tooMany(`versions of ${JSON.stringify(path)}`, 'versionsMax', versionsMax);
    if (versions.length === 0 && (await countParameters(db, depot)) >= pathsMax)
      throw tooMany('parameters', 'pathsMax', pathsMax);
    await keep();
    const made = { depot, path, instance, bytes, sha256, origin: 'UPLOADED', note, madeBy } as const;
    return { version: await insertVersion(db, made), isNew: true };
  });
};

const tooMany = (what: string, limit: string, most: number) =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_PARAMETERS',
    `There are ${most} ${what}, and limits.parameters.${limit} allows no more. Raise it, or give it another path.`,
  );
