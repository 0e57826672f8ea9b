/** What each key of the configuration says of itself; `config.md`, the flags and the printing of secrets come from it. */
import { z } from 'zod';

export type Says = {
  readonly meaning: string;
  /** As a person would write it; null when the key must be given. */
  readonly byDefault: string | null;
  /** Of the command line, with its argument: `--grpc HOST:PORT`. */
  readonly flag?: string;
  /** Never shown; may be given as `<key>File` instead, the path of a file that holds it. */
  readonly secret?: true;
};

export const says = z.registry<Says>();
