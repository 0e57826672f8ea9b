/** Files as they must be kept: what is answered is on the disk, and nothing leaves its folder. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { invalid, Refusal } from '../core/refusal.ts';

export const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/** Where a content is, by its hash in hex. */
export const blobPath = (sha256: string): string => `blobs/${sha256.slice(0, 2)}/${sha256}`;

/** Null: there is nothing. */
export const statOf = async (path: string): Promise<Pick<Stats, 'size' | 'ino' | 'nlink' | 'ctimeMs'> | null> => {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
};

/** A name that lasts through a power cut is one whose folder was told to the disk. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().finally(() => handle.close());
};

/** The folders of a path below a root, each of them told to the disk, and none of them led elsewhere by a link. */
export const makeFolder = async (root: string, folder: string): Promise<string> => {
  const wanted = join(root, folder);
  const made = await mkdir(wanted, { recursive: true, mode: FOLDER_MODE });
  const real = await realpath(wanted);
  if (real !== root && !real.startsWith(root + sep))
    throw invalid(
      'UPLOAD_NAME_BAD',
      `The folder ${JSON.stringify(folder)} is a link that leads out of where uploads are kept. Ask whoever runs the farm to remove it.`,
    );
  if (made !== undefined)
    for (let at = wanted; at.length >= made.length; at = dirname(at)) await syncFolder(dirname(at));
  return wanted;
};

const FOLDER_MODE = 0o755;
export const FILE_MODE = 0o644;

/** Writes all of it at a place of the file. */
export const writeAt = async (file: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
};

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const SICK = new Set(['EIO', 'EMFILE', 'ENFILE', 'EROFS', 'EACCES', 'EPERM', 'ENODEV', 'ESTALE', 'ENOMEM']);
/** Another upload has the name, as a folder where this one needs a file or the other way round. */
const TAKEN = new Set(['ENOTDIR', 'EISDIR', 'EEXIST', 'ENAMETOOLONG', 'ELOOP', 'ENOTEMPTY']);

/** What an error of the disk is to whoever uploads. Neither a full nor a sick disk is its fault: it is to come again. */
export const diskRefusal = (error: unknown): Refusal | null => {
  const code = codeOf(error) ?? '';
  if (FULL.has(code)) return diskFull();
  if (SICK.has(code)) {
    const words = `The farm's disk does not take the upload (${code}). Nothing was kept: send it again, and tell whoever runs the farm.`;
    return new Refusal('UNAVAILABLE', 'DISK_BROKEN', words, {}, RETRY_MS);
  }
  if (TAKEN.has(code)) {
    const words = `Another upload has this name as a folder, or a part of it as a file (${code}). Give another name.`;
    return invalid('UPLOAD_NAME_TAKEN', words);
  }
  return null;
};

const RETRY_MS = 10_000;

export const diskFull = (): Refusal => {
  const words =
    "The farm's disk has no room for uploads. Nothing was kept: send it again later, and tell whoever runs the farm.";
  return new Refusal('UNAVAILABLE', 'DISK_FULL', words, {}, RETRY_MS);
};

export const folderFull = (): Refusal => {
  const words =
    "The farm's folder of uploads holds all that it may. Nothing was kept: send it again later, and tell whoever runs the farm.";
  return new Refusal('UNAVAILABLE', 'UPLOADS_FULL', words, {}, RETRY_MS);
};
