import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ownMark } from '../../src/uploads/process-mark.ts';

const run = promisify(execFile);

/** Enough for Node to start, and few enough to be used up at once. */
const FILES = 128;

test('a process of which the system does not tell is not taken for dead', async ({ skip }) => {
  const { startedAt, pid } = await ownMark();
  if (startedAt === '') return skip('this system has no /proc');
  const asking = join(import.meta.dirname, 'ask-without-files.ts');
  const ask = async (mark: object) => {
    const words = ['-c', `ulimit -n ${FILES}; exec "$0" "$@"`, process.execPath, asking, JSON.stringify(mark)];
    return JSON.parse((await run('sh', words)).stdout) as unknown;
  };
  expect(await ask({ pid, startedAt })).toEqual({ before: false, after: null });
  // A number that no process has, for which the system would say so.
  expect(await ask({ pid: 2 ** 30, startedAt })).toEqual({ before: true, after: null });
});
