/** Puts on record what a replica had named on disk when it died before its commit. No DUT was told that it was kept. */
import { insertUploads, readKnownPaths, readKnownUploads, type UploadRow } from '../store/uploads.ts';
import { type FarmSeams, transact } from './farm.ts';

/** @returns how many were new to the record, and the `spare` names: of what its DUT has meanwhile sent again. */
export const adoptUploads = (
  farm: FarmSeams,
  depot: string,
  found: readonly Omit<UploadRow, 'startsAt' | 'adopted'>[],
): Promise<{ readonly adopted: number; readonly spare: readonly string[] }> =>
  transact(farm, async (db) => {
    const ids = found.map(({ id }) => id);
    const known = await readKnownUploads(db, ids);
    const lost = found.filter(({ id }) => !known.has(id));
    const rows = lost.map((upload) => ({ ...upload, startsAt: null, adopted: true }));
    await insertUploads(db, rows);
    const adopted = await readKnownUploads(db, ids);
    const paths = lost.map(({ path }) => path);
    const named = await readKnownPaths(db, depot, paths);
    return { adopted: adopted.size - known.size, spare: paths.filter((path) => !named.has(path)) };
  });
