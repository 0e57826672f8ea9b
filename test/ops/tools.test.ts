/** The programs that SREs hold our files against. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { goTool } from '../support/go-tool.ts';

const run = promisify(execFile);
const COMPILE_MS = 1_200_000;

test('helm lints the chart', { timeout: COMPILE_MS }, async (context) => {
  const helm = await goTool('helm.sh/helm/v3/cmd/helm', 'v3.19.0');
  if (typeof helm !== 'string') return context.skip(helm.skip);
  const { stdout } = await run(helm, ['lint', '--strict', 'helm/stationgrid']);
  expect(stdout).toContain('0 chart(s) failed');
});
