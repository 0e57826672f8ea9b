import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What needs Prometheus or Helm: vitest.ops.config.ts.
    exclude: ['test/ops/**', 'node_modules/**'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', new ClosingLine()],
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // Two on two cores as well: most of a test's time is PostgreSQL's and its child processes'.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Of tests that are marked concurrent: they wait more than they compute, but the cores are few.
    maxConcurrency: 3,
    // Generous: a limit is here to end what hangs, never to judge how fast a machine is.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
