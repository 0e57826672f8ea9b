/** Room for uploads: what the disk has free, and what the folder may hold. */
import { statfs } from 'node:fs/promises';
import { diskFull, folderFull } from './disk.ts';

export type Room = {
  readonly left: () => Promise<RoomLeft>;
  /** @throws Refusal UNAVAILABLE when there is none: it may come again. */
  readonly check: () => Promise<void>;
  /** So much was put into the folder, by this process. */
  readonly took: (bytes: number) => void;
  /** So much is in there now, whoever has put it there. */
  readonly measured: (bytes: number) => void;
};

/** In bytes. */
export type RoomLeft = {
  /** What uploads may still take; below 0: nothing, and so much is missing. */
  readonly left: number;
  /** What they might take if nothing were there. */
  readonly of: number;
};

export type RoomLimits = {
  /** So much of the disk is left free. */
  readonly freeBytesMin: number;
  readonly folderBytesMax: number;
};

/** Between two measurements each process knows of its own uploads: the folder may hold so much more as the others took meanwhile. */
export const createRoom = (folder: string, { freeBytesMin, folderBytesMax }: RoomLimits): Room => {
  let usedBytes = 0;
  const onDisk = async (): Promise<RoomLeft> => {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { left: bavail * bsize - freeBytesMin, of: blocks * bsize - freeBytesMin };
  };
  return {
    left: async () => {
      const { left, of } = await onDisk();
      return { left: Math.min(left, folderBytesMax - usedBytes), of: Math.min(of, folderBytesMax) };
    },
    check: async () => {
      if (usedBytes >= folderBytesMax) throw folderFull();
      if ((await onDisk()).left < 0) throw diskFull();
    },
    took: (bytes) => {
      usedBytes += bytes;
    },
    measured: (bytes) => {
      usedBytes = bytes;
    },
  };
};
