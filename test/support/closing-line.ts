import type { Reporter, TestCase, TestModule } from 'vitest/node';

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
    const end = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
    process.stdout.write(`${inState('passed').length} passed, ${failed} failed${end}\n`);
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === 'skipped' ? result.note : undefined) ?? 'no reason was given; use context.skip(reason)';
}
