/**
 * Files that DUTs are given by name, `parameters/` of the folder. Each content that was kept as a version is under its hash in
 * `parameter-versions/`; what DUTs are given is a copy of one, so that a person who edits it there changes no version.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ParameterContent } from '../core/parameter.ts';
import { codeOf, FILE_MODE, makeFolder, statOf, syncFolder } from './disk.ts';
import type { FileLocks } from './file-lock.ts';
import type { Received } from './received.ts';

export type Shelf = {
  readonly alone: <T>(path: string, work: () => Promise<T>) => Promise<T>;
  readonly names: () => Promise<readonly string[]>;
  readonly given: (path: string) => Promise<ParameterContent | null>;
  readonly keepGiven: (path: string) => Promise<ParameterContent>;
  readonly give: (path: string, sha256: string) => Promise<void>;
  /** Keeps the content of a version for good. */
  readonly keep: (received: Received) => Promise<void>;
};

type ShelfSeams = {
  readonly root: string;
  readonly locks: FileLocks;
  /** A path that is nobody else's, and is cleared after a crash. */
  readonly ownPath: () => string;
};

const GIVEN = 'parameters';
const KEPT = 'parameter-versions';

export const createShelf = ({ root, locks, ownPath }: ShelfSeams): Shelf => {
  const inFolder = (path: string): string => join(root, GIVEN, path);
  const keptPath = (sha256: string): string => join(KEPT, sha256.slice(0, 2), sha256);
  const keepFile = async ({ sha256, bytes }: ParameterContent, move: (to: string) => Promise<void>): Promise<void> => {
    const path = join(root, keptPath(sha256));
    await makeFolder(root, dirname(keptPath(sha256)));
    if ((await statOf(path))?.size !== bytes) await move(path);
    await syncFolder(dirname(path));
  };
  return {
    alone: (path, work) => locks.alone(join(GIVEN, path), () => work()),
    names: () => namesBelow(join(root, GIVEN)),
    given: (path) => contentOf(inFolder(path)),
    keep: async (received) => {
      await received.settle();
      await keepFile(received, received.moveTo);
    },
    keepGiven: async (path) => {
      const own = ownPath();
      try {
        // Of the copy: the file may be edited meanwhile.
        await copySafely(inFolder(path), own);
        const content = await contentOf(own);
        if (content === null) throw new Error('a copy that was just made is not there');
        await keepFile(content, (to) => rename(own, to));
        return content;
      } finally {
        await rm(own, { force: true });
      }
    },
    give: async (path, sha256) => {
      const own = ownPath();
      await copySafely(join(root, keptPath(sha256)), own);
      const folder = await makeFolder(root, dirname(join(GIVEN, path)));
      await rename(own, inFolder(path));
      await syncFolder(folder);
    },
  };
};

const copySafely = async (from: string, to: string): Promise<void> => {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  const copy = await open(to, 'r+');
  try {
    await copy.chmod(FILE_MODE);
    await copy.sync();
  } finally {
    await copy.close();
  }
};

const NOTHING = new Set<string | null>(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Null: there is no file. */
const contentOf = async (path: string): Promise<ParameterContent | null> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (NOTHING.has(codeOf(error))) return null;
      throw error;
    },
  );
  if (file === null) return null;
  try {
    if (!(await file.stat()).isFile()) return null;
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const piece of file.createReadStream({ autoClose: false })) {
      hash.update(toBytes(piece));
      bytes += toBytes(piece).length;
    }
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
};

/** So many are shown; a folder of more is none of ours. */
const NAMES_MAX = 20_000;

const namesBelow = async (root: string): Promise<readonly string[]> => {
  const names: string[] = [];
  const look = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (NOTHING.has(codeOf(error))) return [];
      throw error;
    });
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (names.length >= NAMES_MAX) return;
      if (entry.isDirectory()) await look(path);
      else if (entry.isFile()) names.push(path);
    }
  };
  await look('');
  return names;
};

/** A stream without an encoding yields bytes. */
function toBytes(piece: unknown): Uint8Array {
  return piece as Uint8Array;
}
