/** docs/reference/metrics.md, told by the table itself. */
import { declaredMetrics } from './declare.ts';

const preface = `# Metrics

<!-- Written by scripts/write-metrics-reference.mjs from src/metrics/declare.ts. Do not edit. -->

\`GET /metrics\` on the HTTP door of every replica. The answer is Prometheus' text format 0.0.4, or OpenMetrics 1.0 for a
scraper whose \`Accept\` prefers it. A scrape prints what is in memory and asks the database nothing: counters change when
something happens, gauges are set by the tick (every 5 s; those of the whole farm at every third one).

- **Scope.** Every replica says the same of the whole \`farm\`: take the \`max\` over replicas. What is of a \`replica\` is its
  own share: take the \`sum\`. While PostgreSQL is away, gauges keep their last value;
  \`time() - stationgrid_last_tick_timestamp_seconds\` says how old they are.
- **Fold.** With \`serve --workers\` a scrape of any door of the host shows all its workers at once, folded into one value:
  \`sum\`, \`max\` and \`min\` over the workers that live, \`newest\` from the worker whose tick succeeded last, \`primary\` from the
  primary, which alone knows. Counters and histograms keep what workers that are gone have counted, as far as the primary
  had heard of it: all of it when they left in order; what a killed one counted since the scrape before is lost.
- **No label names a bot, a serial, a job or a session.** The number of series does not depend on how many there are. Where
  callers may invent instances, stations or property values, a limit turns what is too many into \`other\`.
- **\`instance\`** is the farm's instance, while Prometheus names the address it scraped the same. It keeps its own and
  renames ours \`exported_instance\`, unless the scrape job says \`honor_labels: true\`; the unnamed instance \`""\` then
  shows the address. An empty \`station\` is work that is no station's.

First-pass yield of each station over an hour:

\`\`\`promql
sum by (station) (increase(stationgrid_first_pass_total[1h]))
  / sum by (station) (increase(stationgrid_jobs_ended_total{state="FINISHED"}[1h]))
\`\`\`
`;

const groups: readonly (readonly [prefix: string, title: string])[] = [
  ['stationgrid_', 'The farm'],
  ['grpc_server_', 'gRPC'],
];

const code = (text: string): string => `\`${text}\``;

/** Columns are aligned, as the formatter of this repository would: the page is read as plain text too. */
const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => (cells[column] ?? '').length)));
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [row(head), row(widths.map((width) => '-'.repeat(width))), ...rows.map(row)];
};

const sectionText = ([prefix, title]: (typeof groups)[number]): string => {
  const rows = declaredMetrics
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name, type, scope, fold, labels, help }) => [
      code(name),
      type,
      scope,
      fold,
      labels.map(code).join(', '),
      help,
    ]);
  return [`## ${title}`, '', ...tableOf(['Name', 'Type', 'Scope', 'Fold', 'Labels', 'Meaning'], rows), ''].join('\n');
};

const bucketsText = (): string => {
  const rows = declaredMetrics.flatMap(({ name, buckets }) =>
    buckets === null ? [] : [[code(name), buckets.join(', ')]],
  );
  return ['## Buckets', '', ...tableOf(['Histogram', 'Upper bounds'], rows), ''].join('\n');
};

/** The whole page, as Markdown. */
export const metricsReference = (): string => [preface, ...groups.map(sectionText), bucketsText()].join('\n');
