/** The chart's page is made of the comments of its values. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

it('is what values.yaml says now, with a comment for every key', () => {
  const script = fileURLToPath(new URL('scripts/write-chart-readme.mjs', root));
  // It ends with 1, and says how to mend it, where the page is not current.
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});

it('is of this version of StationGrid', () => {
  const { version } = toVersioned(JSON.parse(read('package.json')));
  expect(parse(read('helm/stationgrid/Chart.yaml'))).toMatchObject({ apiVersion: 'v2', appVersion: version });
});

it('has a schema for every value, closed but for what goes on to others as it is', () => {
  const open: string[] = [];
  const look = (node: Schema, path: string): void => {
    if (node.type === 'object' && node.properties === undefined && node.additionalProperties === undefined)
      open.push(path);
    for (const [key, inner] of Object.entries(node.properties ?? {})) look(inner, path === '' ? key : `${path}.${key}`);
    if (node.properties !== undefined) expect(node.additionalProperties, path).toBe(false);
    if (node.items !== undefined) look(node.items, `${path}[]`);
  };
  look(toSchema(JSON.parse(read('helm/stationgrid/values.schema.json'))), '');
  expect(open.sort()).toMatchInlineSnapshot(`
    [
      "affinity",
      "autoscaling.behavior",
      "bots.extraEnv[]",
      "bots.extraVolumeMounts[]",
      "bots.extraVolumes[]",
      "bots.resources.claims[]",
      "bots.resources.limits",
      "bots.resources.requests",
      "bots.tolerations[]",
      "config.auth",
      "config.bots",
      "config.doors",
      "config.factory",
      "config.limits",
      "config.lines[]",
      "config.log",
      "config.metrics",
      "config.tracing",
      "dataVolume",
      "extraContainers[]",
      "extraEnv[]",
      "extraVolumeMounts[]",
      "extraVolumes[]",
      "gateway.parentRefs[]",
      "global",
      "initContainers[]",
      "migration.resources.claims[]",
      "migration.resources.limits",
      "migration.resources.requests",
      "networkPolicy.egress.database.to[]",
      "networkPolicy.egress.extra[]",
      "networkPolicy.egress.shopfloor.to[]",
      "networkPolicy.ingress.factory[]",
      "networkPolicy.ingress.grpc[]",
      "networkPolicy.ingress.http[]",
      "networkPolicy.ingress.ops[]",
      "podSecurityContext",
      "resources.claims[]",
      "resources.limits",
      "resources.requests",
      "securityContext",
      "tests.resources.claims[]",
      "tests.resources.limits",
      "tests.resources.requests",
      "tolerations[]",
      "topologySpreadConstraints[]",
    ]
  `);
});

it('takes every key of the configuration that is not the chart’s to set', () => {
  const { properties } = toSchema(JSON.parse(read('helm/stationgrid/values.schema.json'))).properties?.['config'] ?? {};
  const ofTheChart = ['data', 'databaseUrl', 'ownerDatabaseUrl', 'tls'];
  const wanted = Object.keys(configSchema.shape).filter((key) => !ofTheChart.includes(key));
  expect(Object.keys(properties ?? {})).toEqual(expect.arrayContaining(wanted));
  expect(Object.keys(properties ?? {}).filter((key) => ofTheChart.includes(key))).toEqual([]);
});

type Schema = {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
};

function toSchema(parsed: unknown): Schema {
  return parsed as Schema;
}
function toVersioned(manifest: unknown): { readonly version: string } {
  return manifest as { readonly version: string };
}
