/** From samples to the two formats that Prometheus reads: its text format 0.0.4, and OpenMetrics 1.0. */

export type Format = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
  /** Of a histogram's bucket: one observation that was counted there, and its trace. */
  readonly exemplar?: Exemplar;
};

/** As prom-client has it; the timestamp in seconds. */
export type Exemplar = {
  readonly labelSet: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly timestamp: number;
};

/** The samples of a process, by the name of their metric. */
export type Page = Readonly<Record<string, readonly Sample[]>>;

/** One metric with all its samples. */
export type Family = {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
};

export const render = (families: readonly Family[], format: Format): string => {
  const lines = families.flatMap((family) => [
    ...headOf(family, format),
    ...family.samples.map((sample) => sampleText(sample, format)),
  ]);
  return [...lines, ...(format === 'openmetrics' ? ['# EOF'] : []), ''].join('\n');
};

const UNIT = /_(seconds|bytes)$/;

/** In OpenMetrics a counter's family goes without the `_total` of its samples, and the unit has a line of its own. */
const headOf = ({ name, type, help }: Family, format: Format): readonly string[] => {
  if (format === 'text') return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`];
  const family = type === 'counter' ? name.replace(/_total$/, '') : name;
  const unit = UNIT.exec(family)?.[1];
  return [
    `# TYPE ${family} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${family} ${unit}`]),
    `# HELP ${family} ${quoted(help)}`,
  ];
};

const sampleText = ({ name, labels, value, exemplar }: Sample, format: Format): string => {
  const line = `${name}${labelsText(labels)} ${numberText(value)}`;
  return exemplar === undefined || format === 'text' ? line : `${line} # ${exemplarText(exemplar)}`;
};

const exemplarText = ({ labelSet, value, timestamp }: Exemplar): string =>
  `${labelsText(labelSet) || '{}'} ${numberText(value)} ${numberText(timestamp)}`;

/** In braces; empty without labels. A page has thousands: nothing is made here but the text. */
const labelsText = (labels: Sample['labels']): string => {
  let pairs = '';
  for (const label in labels) pairs += `${pairs === '' ? '' : ','}${label}="${labelText(label, labels[label])}"`;
  return pairs === '' ? '' : `{${pairs}}`;
};

const labelText = (label: string, said: string | number | undefined): string =>
  label === 'le' && typeof said === 'number' ? canonical(said) : quoted(String(said ?? ''));

const quoted = (text: string): string => (text.includes('"') ? escaped(text).replaceAll('"', '\\"') : escaped(text));

/** Most texts need none, which is faster seen than replaced. */
const escaped = (text: string): string =>
  SPECIAL.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n') : text;
const SPECIAL = /[\\\n]/;

const numberText = (value: number): string => {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
};

/** OpenMetrics wants whole bounds as `1.0`. Both formats say so: otherwise a bucket would change its name with the format. */
const canonical = (bound: number): string => (Number.isInteger(bound) ? `${bound}.0` : String(bound));

/** What another process of ours has told as its page. */
export function toPage(told: unknown): Page {
  return told as Page;
}
