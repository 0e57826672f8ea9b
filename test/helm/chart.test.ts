/** The chart, as far as it can be judged without a helm binary: not rendered, but read. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const chart = fileURLToPath(new URL('../../helm/stationgrid', import.meta.url));
const read = (path: string): string => readFileSync(join(chart, path), 'utf8');
const templates = globSync('templates/*.yaml', { cwd: chart }).sort();

/** An action on a line of its own goes, one within a line becomes a word: what is left is the template's YAML. */
const withoutActions = (template: string): string =>
  template.replaceAll(/^\s*\{\{.*\}\}\s*$/gm, '').replaceAll(/\{\{.*?\}\}/g, 'word');

const valueAt = (tree: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (node, key) => (typeof node === 'object' && node !== null ? new Map(Object.entries(node)).get(key) : undefined),
      tree,
    );

describe('the chart', () => {
  it('has a head that Helm 3 takes, with the version of the package', () => {
    const { version } = toVersioned(JSON.parse(readFileSync(join(chart, '../../package.json'), 'utf8')));
    expect(parse(read('Chart.yaml'))).toMatchObject({ apiVersion: 'v2', name: 'stationgrid', appVersion: version });
  });

  it('has templates that are YAML once their actions are out', () => {
    const kinds = templates.map((path) => [basename(path), valueAt(parse(withoutActions(read(path))), 'kind')]);
    expect(kinds).toEqual([
      ['configmap.yaml', 'ConfigMap'],
      ['deployment.yaml', 'Deployment'],
      ['service.yaml', 'Service'],
    ]);
  });

  it('asks only for values that it declares', () => {
    const values: unknown = parse(read('values.yaml'));
    const asked = templates.flatMap((path) => [...read(path).matchAll(/\.Values\.([\w.]+)/g)].map(([, at = '']) => at));
    expect(asked.filter((path) => valueAt(values, path) === undefined)).toEqual([]);
  });

  it('probes liveness and readiness apart, stops in time, and takes the database from a Secret', () => {
    const deployment: unknown = parse(withoutActions(read('templates/deployment.yaml')));
    const pod = valueAt(deployment, 'spec.template.spec');
    const container = valueAt(valueAt(pod, 'containers'), '0');
    expect(valueAt(container, 'livenessProbe.httpGet.path')).toBe('/livez');
    expect(valueAt(container, 'readinessProbe.httpGet.path')).toBe('/readyz');
    expect(valueAt(pod, 'terminationGracePeriodSeconds')).toBe('word');
    expect(valueAt(container, 'env.0.name')).toBe('STATIONGRID_DATABASE_URL');
    expect(valueAt(container, 'env.0.valueFrom.secretKeyRef')).toBeDefined();
  });
});

function toVersioned(manifest: unknown): { readonly version: string } {
  return manifest as { readonly version: string };
}
