/** `npm run test:ops`: what SREs are given, held against real Helm and a real Prometheus, which the tests fetch themselves. */
import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';

export default defineConfig({
  test: {
    include: ['test/ops/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', new ClosingLine()],
    pool: 'forks',
    maxWorkers: 2,
    // To end what hangs; fetching and compiling a tool for the first time takes minutes.
    testTimeout: 120_000,
    hookTimeout: 900_000,
  },
});
