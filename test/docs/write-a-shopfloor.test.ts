/** The example of docs/how-to/write-a-shopfloor.md, as a partner would save and start it, passes every check. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { runCli } from '../cli/run-cli.ts';
import { freePort } from '../support/farm-site.ts';
import { blocksOf, readPage } from './pages.ts';

const LINES_MAX = 40;
const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** Asks until somebody answers; the test's own time limit ends it. */
const untilItAnswers = async (url: string): Promise<void> => {
  for (;;) {
    const answer = await fetch(url, { method: 'POST', body: '<x/>' }).catch(() => null);
    if (answer !== null) return;
  }
};

it('the small shopfloor in Python passes every check', { timeout: 120_000 }, async ({ skip }) => {
  const python = spawnSync('python3', ['-c', 'import xmlrpc.server'], { encoding: 'utf8' });
  skip(
    python.status !== 0,
    `this machine has no python3 with xmlrpc (${python.error?.message ?? python.stderr.trim()})`,
  );
  const [source] = blocksOf(readPage('docs/how-to/write-a-shopfloor.md'), 'python');
  expect(source!.trim().split('\n').length).toBeLessThanOrEqual(LINES_MAX);
  const folder = mkdtempSync(join(tmpdir(), 'stationgrid-python-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'shopfloor.py'), source!);
  const port = await freePort();
  const child = spawn('python3', [join(folder, 'shopfloor.py'), String(port)], { stdio: 'ignore' });
  cleanups.push(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}/`;
  await untilItAnswers(url);

  const { code, stdout } = await runCli(['shopfloor', 'check', url, '--strict', '--slow', '60s']);
  expect(stdout).toContain(' 0 failed, 0 skipped.');
  expect(code).toBe(0);
});
