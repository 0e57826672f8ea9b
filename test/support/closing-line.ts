import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** A file to which each run adds its counts, for whoever runs several and sums them up (.ci/run). */
const COUNTS_FILE = process.env['STATIONGRID_TEST_COUNTS'];

/** Says, as the run's very last line, how many tests passed and failed; and before it, why any was skipped. */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string): readonly TestCase[] => tests.filter((test) => test.result().state === state);
    // A file that cannot be loaded, a failing hook and an error outside of any test fail the run, so they count.
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = suites.filter((suite) => suite.errors().length > 0).length + unhandledErrors.length;
    const skipped = inState('skipped');
    for (const test of skipped) process.stdout.write(`skipped: ${test.fullName}: ${reason(test)}\n`);
    const failed = inState('failed').length + broken;
    const passed = inState('passed').length;
    const end = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
    process.stdout.write(`${passed} passed, ${failed} failed${end}\n`);
    if (COUNTS_FILE !== undefined) appendFileSync(COUNTS_FILE, `${passed} ${failed} ${skipped.length}\n`);
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === 'skipped' ? result.note : undefined) ?? 'no reason was given; use context.skip(reason)';
}
