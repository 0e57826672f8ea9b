/** Appends to one file so that it holds what the record says, and nothing else, whatever died in between. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FILE_MODE, syncFolder, writeAt } from './disk.ts';

export type Appending = { readonly bytes: number; readonly read: () => AsyncIterable<Uint8Array> };

/**
 * Whoever calls holds the lock of the file.
 * @param stillMine throws when it may soon be taken away, which is asked before each change of the file.
 * @param from where the record says that it ends. What is behind that was never acknowledged, or the record is an old one that
 * was restored. When it is the beginning of what comes now, it is the same, cut off. Anything else is put `aside`, not lost.
 * @returns where the bytes begin: at `from`, or at the end of a file that somebody has cut.
 */
export const appendTo = async (
  path: string,
  {
    from,
    appending,
    aside,
    stillMine,
  }: {
    readonly from: number;
    readonly appending: readonly Appending[];
    readonly aside: string;
    readonly stillMine: () => void;
  },
): Promise<{ readonly startsAt: number; readonly asideBytes: number }> => {
  // A link is no file of ours, whoever put it there.
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
  try {
    const { size } = await file.stat();
    const startsAt = Math.min(size, from);
    const isStrange = size > from && !(await isBeginning(file, { from, size }, appending));
    if (isStrange) await putAside(file, { from, size }, aside);
    stillMine();
    await file.truncate(startsAt);
    await writeAll(file, startsAt, { appending, stillMine });
    await file.sync();
    if (size === 0) await syncFolder(dirname(path));
    return { startsAt, asideBytes: isStrange ? size - from : 0 };
  } finally {
    await file.close();
  }
};

const writeAll = async (
  file: FileHandle,
  startsAt: number,
  { appending, stillMine }: { readonly appending: readonly Appending[]; readonly stillMine: () => void },
): Promise<void> => {
  try {
    let at = startsAt;
    for await (const piece of piecesOf(appending)) {
      stillMine();
      await writeAt(file, piece, at);
      at += piece.length;
    }
  } catch (error) {
    stillMine();
    await file.truncate(startsAt);
    throw error;
  }
};

async function* piecesOf(appending: readonly Appending[]): AsyncGenerator<Uint8Array> {
  for (const { read } of appending) yield* read();
}

type Tail = { readonly from: number; readonly size: number };

const isBeginning = async (
  file: FileHandle,
  { from, size }: Tail,
  appending: readonly Appending[],
): Promise<boolean> => {
  let at = from;
  for await (const piece of piecesOf(appending)) {
    const there = await readAt(file, at, Math.min(piece.length, size - at));
    if (!there.equals(piece.subarray(0, there.length))) return false;
    at += there.length;
    if (at >= size) return true;
  }
  return at >= size;
};

const PIECE_BYTES = 256 * 1024;

const putAside = async (file: FileHandle, { from, size }: Tail, aside: string): Promise<void> => {
  const kept = await open(aside, 'wx', FILE_MODE);
  try {
    for (let at = from; at < size;) {
      const piece = await readAt(file, at, Math.min(PIECE_BYTES, size - at));
      await writeAt(kept, piece, at - from);
      at += piece.length;
    }
    await kept.sync();
  } finally {
    await kept.close();
  }
  await syncFolder(dirname(aside));
};

const readAt = async (file: FileHandle, at: number, bytes: number): Promise<Buffer> => {
  const piece = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await file.read(piece, done, bytes - done, at + done);
    if (bytesRead === 0) throw new Error('a file of uploads became shorter while it was read');
    done += bytesRead;
  }
  return piece;
};
