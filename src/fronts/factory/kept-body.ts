/** What a body was, as it came, while it is small: to be read a second time, or to be told from others. */
export type KeptBody = {
  readonly add: (piece: Buffer) => void;
  /** Whether all that came is kept. */
  readonly isWhole: () => boolean;
  /** Null: there was too much of it. */
  readonly whole: () => Buffer | null;
};

export const createKeptBody = (bytesMax: number): KeptBody => {
  let bytes = 0;
  let pieces: Buffer[] = [];
  const isWhole = (): boolean => bytes <= bytesMax;
  return {
    isWhole,
    add: (piece) => {
      bytes += piece.length;
      if (isWhole()) pieces.push(piece);
      else pieces = [];
    },
    whole: () => (isWhole() ? Buffer.concat(pieces) : null),
  };
};
