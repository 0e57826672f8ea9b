/** The arithmetic of a page that nobody can run for real: its numbers are what its own script says. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { readPage } from './pages.ts';

const { text } = readPage('docs/explanation/scale.md');
const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(text)?.[1] ?? '';

it('the script of the page prints what the page shows', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', block('js')], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toBe(block('text'));
});

it('what it takes for the defaults are the defaults', () => {
  const { poll, replica, postgres, session } = defaultLimits;
  // The pool, one connection to listen, one to stand for leadership.
  const taken = {
    holdS: poll.holdMaxMs / 1000,
    tickS: replica.tickMs / 1000,
    silentMaxS: replica.silentMaxMs / 1000,
    ttlS: session.ttlMs / 1000,
    parkedMax: poll.parkedMax,
    connections: postgres.poolMax + 2,
  };
  for (const [name, value] of Object.entries(taken))
    expect(block('js').replaceAll('_', '')).toContain(`${name}: ${value}`);
});
