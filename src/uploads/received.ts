/** One binary of a call as it comes in: in memory while it is small, in a file of its own when it is not. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { FILE_MODE, writeAt } from './disk.ts';
import type { Room } from './room.ts';

export type Received = {
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  /** In pieces, each small. */
  readonly read: () => AsyncIterable<Uint8Array>;
  /** Makes a file of it that is safely on disk, which may take long. From then on it cannot be read here. */
  readonly settle: () => Promise<void>;
  /** Gives that file another path. */
  readonly moveTo: (path: string) => Promise<void>;
  /** Removes what is left of it. */
  readonly discard: () => Promise<void>;
};

export type Receiving = {
  /** Takes the bytes; they are written by `drain`, which is to be waited for before more are read. */
  readonly write: (bytes: Uint8Array) => void;
  readonly drain: () => Promise<void>;
  readonly end: () => Promise<Received>;
  readonly discard: () => Promise<void>;
};

/** What of a binary stays in memory. */
const HELD_BYTES_MAX = 64 * 1024;
const PIECE_BYTES = 256 * 1024;

/** @param path where it may lie meanwhile: nobody else's. */
export const receive = (path: string, room: Room): Receiving => {
  const hash: Hash = createHash('sha256');
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  let file: FileHandle | null = null;

  const openFile = async (): Promise<FileHandle> => {
    await room.check();
    // What is large and has no file of its own in the end is read from here again.
    return open(path, 'wx+', FILE_MODE);
  };
  const flush = async (): Promise<FileHandle> => {
    file ??= await openFile();
    const all = Buffer.concat(waiting);
    await writeAt(file, all, bytes - waitingBytes);
    [waiting, waitingBytes] = [[], 0];
    return file;
  };
  const close = async (): Promise<void> => {
    const open = file;
    file = null;
    await open?.close();
  };
  const discard = async (): Promise<void> => {
    await close();
    await rm(path, { force: true });
  };

  return {
    write: (more) => {
      hash.update(more);
      waiting.push(more);
      waitingBytes += more.length;
      bytes += more.length;
    },
    drain: async () => {
      if (bytes > HELD_BYTES_MAX && waitingBytes > 0) await flush();
    },
    discard,
    end: async () => {
      if (file !== null) await flush();
      const sha256 = hash.digest('hex');
      return {
        bytes,
        sha256,
        discard,
        read: () => (file === null ? inPieces(waiting) : fromFile(file)),
        settle: async () => {
          const written = await flush();
          await written.sync();
          await close();
        },
        moveTo: (to) => rename(path, to),
      };
    },
  };
};

/** What is not in a file is small. */
async function* inPieces(held: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of held) yield await Promise.resolve(piece);
}

async function* fromFile(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
