/** What a body was, as it came: kept while it is small, to be read a second time; and its hash, if anybody asks. */
import { createHash, type Hash } from 'node:crypto';

export type KeptBody = {
  readonly add: (piece: Buffer) => void;
  /** Whether all that came is kept. */
  readonly isWhole: () => boolean;
  readonly whole: () => Buffer;
  /** In hex. To be asked once, after the last piece: nothing is kept from then on. */
  readonly sha256: () => string;
};

export const createKeptBody = (bytesMax: number): KeptBody => {
  let bytes = 0;
  let pieces: Buffer[] = [];
  let hash: Hash | null = null;
  // Most calls are small and are asked for no hash, so it is not begun before it must be.
  const toHash = (): Hash => {
    hash ??= createHash('sha256');
    for (const piece of pieces) hash.update(piece);
    pieces = [];
    return hash;
  };
  return {
    add: (piece) => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes > bytesMax) toHash();
    },
    isWhole: () => bytes <= bytesMax,
    whole: () => Buffer.concat(pieces),
    sha256: () => toHash().digest('hex'),
  };
};
