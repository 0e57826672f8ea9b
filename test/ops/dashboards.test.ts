/** Grafana is not at hand; what it would stumble over is looked for here. That the expressions find series: live.test.ts. */
import { expect, test } from 'vitest';
import { metricTable } from '../../src/metrics/declare.ts';
import { dashboards, expressions, type Panel, rules, selectorsOf } from './expressions.ts';

/** Of Grafana's own, those that fit what a farm measures. */
const UNITS = new Set(['short', 's', 'bytes', 'Bps', 'ops', 'reqps', 'percentunit']);
const TYPES = new Set(['row', 'stat', 'timeseries', 'bargauge', 'heatmap']);
const GRID_WIDTH = 24;

test('there are the four, each with a name that stays', () => {
  expect(dashboards.map(({ name, dashboard: { uid } }) => `${name} ${uid}`).toSorted()).toEqual([
    'bridge-and-shopfloor stationgrid-bridge',
    'fleet-and-queue stationgrid-fleet',
    'line-and-yield stationgrid-line',
    'runtime-and-database stationgrid-runtime',
  ]);
});

test.for(dashboards)('$name: panels have ids of their own, known types and units, and words', ({ dashboard }) => {
  const { panels, templating } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(panels.filter(({ type }) => !TYPES.has(type))).toEqual([]);
  for (const { title, description, datasource, fieldConfig, targets = [] } of panels.filter(isGraph)) {
    expect(title).toMatch(/\S/);
    expect(description, title).toMatch(/\.$/);
    expect(datasource, title).toEqual({ type: 'prometheus', uid: '${datasource}' });
    expect(UNITS, title).toContain(fieldConfig?.defaults.unit);
    expect(targets.length, title).toBeGreaterThan(0);
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
  }
  expect(templating.list.map(({ name }) => name).slice(0, 3)).toEqual(['datasource', 'job', 'instance']);
  expect(templating.list[0]?.type).toBe('datasource');
});

test.for(dashboards)('$name: no panel lies over another or leaves the grid', ({ dashboard: { panels } }) => {
  const cells = panels.flatMap(({ title, gridPos: { x, y, w, h } }) => {
    expect(x + w, title).toBeLessThanOrEqual(GRID_WIDTH);
    return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
});

test.for(dashboards)(
  '$name: every query is of the farm that was chosen, by variables that there are',
  ({ dashboard }) => {
    const known = new Set([...dashboard.templating.list.map(({ name }) => name), '__rate_interval', '__all']);
    const texts = [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...dashboard.annotations.list.map(({ expr }) => expr),
    ];
    for (const expr of texts) {
      const used = [...expr.matchAll(/\$(\w+)/g)].map(([, name = '']) => name);
      expect(
        used.filter((name) => !known.has(name)),
        expr,
      ).toEqual([]);
      for (const selector of selectorsOf(expr)) expect(selector, expr).toContain('job=~"$job"');
    }
  },
);

test('no expression names a metric that the farm does not declare, or a record that no rule makes', () => {
  const records = rules.flatMap(({ record }) => (record === undefined ? [] : [record]));
  const known = new Set<string>([...Object.keys(metricTable), ...records, 'up']);
  const strange = expressions().flatMap(({ by, expr }) =>
    selectorsOf(expr)
      .map((selector) => selector.replace(/\{.*/s, ''))
      .filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')))
      .map((name) => `${by}: ${name}`),
  );
  expect(strange).toEqual([]);
});

const isGraph = ({ type }: Panel): boolean => type !== 'row';
