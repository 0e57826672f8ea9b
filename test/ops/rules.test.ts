/** The chart's rules, as promtool sees them, and each alert firing and resolving in its unit tests. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../docs/pages.ts';
import { debianPackage } from '../support/debian.ts';
import { alertNames, alerts, pageOf, rulesPath, shortened, rulesText } from './expressions.ts';

const run = promisify(execFile);
const unitTests = globSync(join(root, 'test/ops/rules/*.yaml')).toSorted();
/** With a download of the package. */
const FETCH_MS = 600_000;

test('promtool finds nothing to say of the rules', { timeout: FETCH_MS }, async (context) => {
  const folder = await debianPackage('prometheus');
  if (typeof folder !== 'string') return context.skip(folder.skip);
  const { stdout } = await run(join(folder, 'usr/bin/promtool'), [
    ...['check', 'rules', '--lint=all', '--lint-fatal'],
    rulesPath,
  ]);
  expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
});

test.for(unitTests.map((path) => basename(path)))(
  'promtool test rules: %s',
  { timeout: FETCH_MS },
  async (name, context) => {
    const folder = await debianPackage('prometheus');
    if (typeof folder !== 'string') return context.skip(folder.skip);
    const path = join(root, 'test/ops/rules', name);
    const { stdout } = await run(join(folder, 'usr/bin/promtool'), ['test', 'rules', path]);
    expect(stdout).toContain('SUCCESS');
  },
);

test('each alert fires in a unit test with each of its severities, and has ended there later', () => {
  const seen = unitTests.flatMap((path) =>
    toUnitTests(parse(readFileSync(path, 'utf8'))).tests.flatMap(({ promql_expr_test: checks }) => {
      const names = [...new Set(checks.map(({ expr }) => /alertname="(\w+)"/.exec(expr)?.[1] ?? ''))];
      return names.flatMap((name) => {
        const own = checks.filter(({ expr }) => expr.includes(`"${name}"`));
        const ends = own.at(-1)?.exp_samples.length === 0;
        const fired = own.flatMap(({ exp_samples }) =>
          exp_samples.map(({ labels }) => /severity="(\w+)"/.exec(labels)?.[1]),
        );
        return ends ? fired.map((severity) => `${name} ${severity}`) : [];
      });
    }),
  );
  const wanted = alerts.map(({ alert, labels }) => `${alert} ${labels?.['severity']}`);
  expect(wanted.filter((one) => !seen.includes(one))).toEqual([]);
});

test('each alert says how bad it is, what it means, and where its page is', () => {
  for (const { alert, labels, annotations } of alerts) {
    expect(alert).toMatch(/^StationGrid[A-Z]\w+$/);
    expect(labels?.['severity'], alert).toMatch(/^(critical|warning)$/);
    expect(annotations, alert).toMatchObject({
      summary: expect.stringMatching(/\S/),
      description: expect.stringMatching(/\.$/),
      runbook_url: `https://stationgrid.example/runbooks/${pageOf(alert)}.md`,
    });
  }
  expect(alertNames.length).toBeGreaterThan(20);
});

test('what the live test shortens are spans of time, and nothing else', () => {
  expect(
    shortened('x > 10 * 60\ny < 14 * 86400\nz > 1024\nrate(a[5m]) / rate(b[1d])\nfor: 15s\n for: 2h\nratio_rate5m'),
  ).toBe(
    'x > 1\ny < 14 * 86400\nz > 1024\nrate(a[15000ms]) / rate(b[144000ms])\nfor: 25ms\n for: 12000ms\nratio_rate5m',
  );
  expect(shortened('c{le="1.0"} / c{le="60.0"}')).toBe('c{le="1.0"} / c{le="0.1"}');
  expect(shortened(rulesText)).not.toMatch(/\[\d+[mhd]\]|for: \d+[mhd]$|\* 60\b|le="60/m);
});

type UnitTests = {
  readonly tests: readonly {
    readonly promql_expr_test: readonly {
      readonly expr: string;
      readonly exp_samples: readonly { readonly labels: string }[];
    }[];
  }[];
};

function toUnitTests(read: unknown) {
  return read as UnitTests;
}
