/** Files that hold a secret: nobody else may read them, from their first byte on. */
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';

const MODE = 0o600;

export type SecretFile = {
  /** Puts the text into place, whole. */
  readonly keep: (text: string) => void;
  /** Nothing came of it. */
  readonly drop: () => void;
};

/**
 * Opens the place before the secret is asked for, so that none is made that cannot be kept.
 * @param existing what becomes of a file that is there.
 * @throws Failure when it cannot be written.
 */
export const openSecretFile = (path: string, existing: 'replaced' | 'refused'): SecretFile => {
  const beside = existing === 'replaced' ? `${path}.new` : path;
  const file = attempt(path, () => {
    if (existing === 'replaced') rmSync(beside, { force: true });
    return openSync(beside, 'wx', MODE);
  });
  return {
    keep: (text) =>
      attempt(path, () => {
        writeSync(file, text);
        fsyncSync(file);
        closeSync(file);
        chmodSync(beside, MODE);
        if (beside !== path) renameSync(beside, path);
      }),
    drop: () => {
      closeSync(file);
      rmSync(beside, { force: true });
    },
  };
};

const attempt = <T>(path: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `cannot write ${path}: ${why}`, 'Name another file.', { cause: error });
  }
};
