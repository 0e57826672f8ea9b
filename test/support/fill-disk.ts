/** A disk without room. */
import { closeSync, openSync, writeSync } from 'node:fs';

const MIB = 1024 * 1024;

/** Takes all that is left, with one file. @throws whatever stops it before the disk is full. */
export function fillDisk(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(MIB);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(file);
  }
}
