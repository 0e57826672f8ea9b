/** The folders that the farm writes to: may it, and is there room? */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { givenDatabase } from '../../config/given-database.ts';
import { sizeText } from '../../config/units.ts';
import { type Check, fail, type Finding, ok, skipped, warn, wordsOf } from './check.ts';
import type { Site } from './site.ts';

const MIB = 1024 ** 2;
/** Of the embedded database: a checkpoint's worth of WAL (max_wal_size is 1 GiB by default), and less than that. */
const DATA_WARN_BYTES = 2048 * MIB;
const DATA_FAIL_BYTES = 256 * MIB;

export const diskChecks = ({ config }: Site): readonly Check[] => {
  const uploads = config.factory.folder ?? join(config.data, 'factory');
  return [
    {
      id: 'disk.data',
      what: 'The embedded database can be written, and has room.',
      why: 'A database without room stops, and with it the farm: nothing is acknowledged that cannot be kept.',
      mend: 'Make room, move `data` to a larger disk, or keep fewer days (limits.history.keepDays).',
      run: () =>
        givenDatabase(config) === null
          ? judge(config.data, { warnBytes: DATA_WARN_BYTES, failBytes: DATA_FAIL_BYTES })
          : skipped('the database is a server of its own, and its disk is not seen from here'),
    },
    {
      id: 'disk.uploads',
      what: 'Uploads of DUTs can be kept, and `limits.uploads.freeBytesMin` of the disk stays free.',
      why: 'With less than that uploads are answered 503, and DUTs repeat them.',
      mend: 'Make room, or name a folder on a larger disk by factory.folder.',
      run: () => {
        const { freeBytesMin } = config.limits.uploads;
        return config.doors.factory === null
          ? skipped('there is no factory door')
          : judge(uploads, { warnBytes: 2 * freeBytesMin, failBytes: freeBytesMin });
      },
    },
  ];
};

const judge = async (
  folder: string,
  { warnBytes, failBytes }: { readonly warnBytes: number; readonly failBytes: number },
): Promise<Finding> => {
  const at = await nearest(resolve(folder));
  try {
    if (!(await stat(at)).isDirectory()) return fail(`${at} is no folder`);
    await access(at, constants.W_OK | constants.X_OK);
  } catch (error) {
    return fail(wordsOf(error));
  }
  const { bavail, bsize, files, ffree } = await statfs(at);
  const free = bavail * bsize;
  const saw = `${sizeText(Math.floor(free / MIB) * MIB)} free at ${at}`;
  // File systems without a fixed number of files say 0 of 0.
  if (files > 0 && ffree === 0) return fail(`${saw}, and no room for another file (inodes)`);
  if (free < failBytes) return fail(`${saw}, less than ${sizeText(failBytes)}`);
  return free < warnBytes ? warn(`${saw}, less than ${sizeText(warnBytes)}`) : ok(saw);
};

/** The folder, or what of its path is there: a farm makes the rest. */
const nearest = async (path: string): Promise<string> => {
  try {
    await stat(path);
    return path;
  } catch {
    return path === dirname(path) ? path : nearest(dirname(path));
  }
};
