/** One binary of a call as it comes in: in memory while it is small, in a file of its own when it is not. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { FILE_MODE, writeAt } from './disk.ts';
import type { Room } from './room.ts';

export type Received = {
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  /** It is small, and in memory until it is settled. */
  readonly isHeld: boolean;
  /** In pieces, each small. */
  readonly read: () => AsyncIterable<Uint8Array>;
  /** Makes a file of it that is safely on disk, which may take long; once. From then on it cannot be read here. */
  readonly settle: () => Promise<void>;
  /** Gives that file another path. */
  readonly moveTo: (path: string) => Promise<void>;
  /** Removes what is left of it. */
  readonly discard: () => Promise<void>;
};

export type Receiving = {
  /** Copies the bytes; `drain` has them written, and is to be waited for before more are read. */
  readonly write: (bytes: Uint8Array) => void;
  readonly drain: () => Promise<void>;
  readonly end: () => Promise<Received>;
  readonly discard: () => Promise<void>;
};

/** What of a binary stays in memory once all of it is here. */
const HELD_BYTES_MAX = 64 * 1024;
/** So much is written at once: each write has a price of its own, however small it is. */
const BATCH_BYTES = 128 * 1024;
/** A batch and the piece that fills it, which is two reads of a socket at most, in base64. A binary that comes in holds two. */
const BUFFER_BYTES = BATCH_BYTES + 96 * 1024;
const READ_BYTES = 256 * 1024;

/** @param path where it may lie meanwhile: nobody else's. */
export const receive = (path: string, room: Room): Receiving => {
  const hash: Hash = createHash('sha256');
  const file = createBatchFile(path, room);
  let batch = NOTHING;
  let spare = NOTHING;
  let waitingBytes = 0;
  let bytes = 0;

  const begin = async (): Promise<void> => {
    await file.written();
    file.begin(batch.subarray(0, waitingBytes), bytes - waitingBytes);
    // What was written before is free again.
    [batch, spare, waitingBytes] = [spare, batch, 0];
  };

  return {
    write: (more) => {
      hash.update(more);
      batch = withRoom(batch, waitingBytes, more.length);
      batch.set(more, waitingBytes);
      waitingBytes += more.length;
      bytes += more.length;
    },
    drain: async () => {
      if (waitingBytes >= BATCH_BYTES) await begin();
    },
    discard: file.discard,
    end: async () => {
      const isHeld = bytes <= HELD_BYTES_MAX;
      let held = isHeld ? batch.subarray(0, bytes) : null;
      if (!isHeld) {
        await begin();
        await file.written();
      }
      batch = spare = NOTHING;
      const settle = async (): Promise<void> => {
        if (held !== null) file.begin(held, 0);
        await file.settle();
        held = null;
      };
      let settled: Promise<void> | null = null;
      return {
        bytes,
        sha256: hash.digest('hex'),
        isHeld,
        read: () => (isHeld ? inOnePiece(held) : file.read()),
        settle: () => (settled ??= settle()),
        moveTo: file.moveTo,
        discard: file.discard,
      };
    },
  };
};

const NOTHING = Buffer.alloc(0);

/** The batch, or a larger copy of it. What will be held is small; anything else is written, from a buffer that lasts. */
const withRoom = (batch: Buffer<ArrayBuffer>, filled: number, more: number): Buffer<ArrayBuffer> => {
  if (filled + more <= batch.length) return batch;
  const needed = filled + more;
  const wanted = needed > HELD_BYTES_MAX ? BUFFER_BYTES : Math.min(2 * batch.length, HELD_BYTES_MAX);
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, wanted));
  batch.copy(larger, 0, 0, filled);
  return larger;
};

type BatchFile = Pick<Received, 'read' | 'settle' | 'moveTo' | 'discard'> & {
  /** Has a batch written while the next comes in. What was begun before is written by then. */
  readonly begin: (batch: Uint8Array, at: number) => void;
  /** Waits for what was begun, and throws what came of it. */
  readonly written: () => Promise<FileHandle | null>;
};

/** A file that is there from its first batch on. */
const createBatchFile = (path: string, room: Room): BatchFile => {
  let isThere = false;
  let file: FileHandle | null = null;
  let writing: Promise<FileHandle> | null = null;

  const openFile = async (): Promise<FileHandle> => {
    await room.check();
    isThere = true;
    // What is large and has no file of its own in the end is read from here again.
    return open(path, 'wx+', FILE_MODE);
  };
  const write = async (batch: Uint8Array, at: number): Promise<FileHandle> => {
    file ??= await openFile();
    await writeAt(file, batch, at);
    return file;
  };
  const written = async (): Promise<FileHandle | null> => writing;
  const close = async (): Promise<void> => {
    const open = file;
    file = null;
    await open?.close();
  };

  return {
    begin: (batch, at) => {
      writing = write(batch, at);
      // Whoever asks next hears of it.
      writing.catch(() => undefined);
    },
    written,
    read: async function* () {
      const open = await written();
      if (open !== null) yield* fromFile(open);
    },
    settle: async () => {
      const open = await written();
      await open?.sync();
      await close();
    },
    moveTo: async (to) => {
      await rename(path, to);
      isThere = false;
    },
    discard: async () => {
      await written().catch(() => undefined);
      await close().finally(() => (isThere ? rm(path, { force: true }) : undefined));
    },
  };
};

/** What is not in a file is small. */
async function* inOnePiece(held: Uint8Array | null): AsyncGenerator<Uint8Array> {
  if (held === null) throw new Error('what is settled cannot be read here');
  yield await Promise.resolve(held);
}

async function* fromFile(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
