/** The command that a newcomer types first, as a child process. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { endOf } from '../cli/run-cli.ts';

test('the demo takes its units through the line, loses nothing, and says so on its last line', async () => {
  const child = spawn('npm', ['run', 'demo', '--', '--bots', '3', '--units', '4', '--json']);
  const { code, stdout, stderr } = await endOf(child);
  const summary: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  expect(summary, stderr).toMatchObject({
    bots: 3,
    units: 4,
    finished: 20,
    passed: 20,
    lost: 0,
    doctor: [],
    wrong: [],
    calls: { outOfOrder: 0 },
  });
  expect(code).toBe(0);
  expect(stderr).toContain('HTTP door: http://');
});
