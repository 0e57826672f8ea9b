import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { debianPackage } from '../support/debian.ts';
import { keepBusy, quietMetrics } from './busy-farm.ts';

/** Longer than fetching the package may take. */
const FETCH_MS = 600_000;

test('promtool check metrics finds nothing to say', { timeout: FETCH_MS }, async (context) => {
  const folder = await debianPackage('prometheus');
  if (typeof folder !== 'string') return context.skip(folder.skip);
  const metrics = quietMetrics();
  keepBusy(metrics);
  expect(await promtool(folder, await metrics.text(undefined))).toEqual({ code: 0, words: '' });
  // And it does read: a page that breaks the rules is not clean.
  expect(await promtool(folder, '# TYPE wrong_total gauge\nwrong_total 1\n')).toEqual({
    code: 3,
    words: expect.stringContaining('wrong_total'),
  });
  metrics.close();
});

async function promtool(folder: string, page: string): Promise<{ code: number | null; words: string }> {
  const child = spawn(join(folder, 'usr/bin/promtool'), ['check', 'metrics']);
  let words = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (said: string) => (words += said));
  child.stdin.end(page);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, words };
}
