/** The chart's rules and dashboards as tests read them, and the expressions in them. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { root } from '../docs/pages.ts';

const files = join(root, 'helm/stationgrid/files');
export const rulesPath = join(files, 'alerts.yaml');
export const rulesText = readFileSync(rulesPath, 'utf8');

export type Rule = {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

export const rules: readonly Rule[] = toGroups(parse(rulesText)).groups.flatMap((group) => group.rules);
export const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }]));
export const alertNames = [...new Set(alerts.map(({ alert }) => alert))];

/** `StationGridFarmDown` is `farm-down`. */
export const pageOf = (alert: string): string =>
  alert
    .replace(/^StationGrid/, '')
    .replaceAll(/(?<!^)([A-Z])/g, '-$1')
    .toLowerCase();

export type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
};

export type Dashboard = {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
};

export const dashboards: readonly { readonly name: string; readonly dashboard: Dashboard }[] = globSync(
  join(files, 'dashboards/*.json'),
).map((path) => ({ name: basename(path, '.json'), dashboard: toDashboard(readFileSync(path, 'utf8')) }));

/** What the variables stand for when everything is chosen; of the interval, what Grafana makes of a scrape a second. */
export const filledIn = (expr: string): string =>
  expr.replaceAll(/\$(job|instance|station)\b/g, '.*').replaceAll('$__rate_interval', '15s');

/** Everything that Prometheus is asked, and by whom. */
export const expressions = (): readonly { readonly by: string; readonly expr: string }[] => [
  ...rules.map(({ record, alert, expr }) => ({ by: record ?? alert ?? '', expr })),
  ...dashboards.flatMap(({ name, dashboard }) =>
    dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ by: `${name}: ${title}`, expr: filledIn(expr) })),
    ),
  ),
];

/** The series that an expression reads, with what it wants of their labels. */
export const selectorsOf = (expr: string): readonly string[] =>
  [...expr.matchAll(/(?<![\w:])(?:(?:stationgrid|grpc_server)[\w:]*|up)\b(?:\{[^}]*\})?/g)].map(
    ([selector]) => selector,
  );

/**
 * A farm's minutes as fractions of a second, so that a test sees an alert come and go: spans of time are divided by 600, and
 * windows are not shorter than 15 scrapes. Minutes times 60 are spans, too, and so is the bucket of a minute, for which
 * there is that of a tenth of a second; what is written otherwise is none (see the head of alerts.yaml).
 */
export const shortened = (text: string): string =>
  text
    .replaceAll(/\[(\d+)([smhd])\]/g, (_, n: string, unit: string) => `[${Math.max(15_000, shortMs(n, unit))}ms]`)
    .replaceAll(/\bfor: (\d+)([smhd])$/gm, (_, n: string, unit: string) => `for: ${shortMs(n, unit)}ms`)
    .replaceAll(/\b(\d+) \* 60$/gm, (_, minutes: string) => String(Number(minutes) / 10))
    .replaceAll('le="60.0"', 'le="0.1"');

const FACTOR = 600;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const shortMs = (n: string, unit: string): number => Math.ceil((Number(n) * (UNIT_MS[unit] ?? 0)) / FACTOR);

function toGroups(read: unknown) {
  return read as { readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] };
}
function toDashboard(text: string) {
  return JSON.parse(text) as Dashboard;
}
