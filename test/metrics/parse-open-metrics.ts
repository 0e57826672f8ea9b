/** A reader of OpenMetrics 1.0 that forgives nothing: what it reads, every conforming scraper reads. */

export interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}
export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

interface OpenFamily {
  readonly name: string;
  readonly metadata: Map<string, string>;
  readonly samples: ParsedSample[];
}

const METADATA = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[n"\\])*)"(?:,(?=.)|$)/y;
const ESCAPED = /^(?:[^"\\\n]|\\[n"\\])*$/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/;
const CANONICAL_BOUND = /^(?:\d+\.\d+|\+Inf)$/;

const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/** @throws Error naming the line that breaks the format. */
export function parseOpenMetrics(page: string): readonly ParsedFamily[] {
  if (!page.endsWith('\n')) throw new Error('the last line has no line feed');
  const lines = page.slice(0, -1).split('\n');
  if (lines.pop() !== '# EOF') throw new Error('the last line is not # EOF');
  const families: OpenFamily[] = [];
  for (const line of lines) readLine(families, line);
  return families.map(close);
}

function readLine(families: OpenFamily[], line: string): void {
  const current = families.at(-1);
  const [, keyword, about, words] = METADATA.exec(line) ?? [];
  if (keyword !== undefined && about !== undefined && words !== undefined) {
    const family = current?.name === about ? current : begin(families, about);
    if (family.samples.length > 0) throw new Error(`metadata after samples: ${line}`);
    if (family.metadata.has(keyword)) throw new Error(`metadata said twice: ${line}`);
    if (!ESCAPED.test(words)) throw new Error(`unescaped text: ${line}`);
    if (keyword === 'UNIT' && !about.endsWith(`_${words}`))
      throw new Error(`the name does not end in its unit: ${line}`);
    family.metadata.set(keyword, words);
    return;
  }
  const sample = toSample(line);
  const allowed = suffixes[current?.metadata.get('TYPE') ?? ''] ?? [];
  if (current === undefined || !allowed.some((suffix) => sample.name === current.name + suffix)) {
    throw new Error(`no sample of the family above it: ${line}`);
  }
  current.samples.push(sample);
}

function begin(families: OpenFamily[], name: string): OpenFamily {
  if (families.some((family) => family.name === name)) throw new Error(`family ${name} comes in two parts`);
  const family = { name, metadata: new Map(), samples: [] };
  families.push(family);
  return family;
}

function toSample(line: string): ParsedSample {
  const [, name, labelText, numberText] = SAMPLE.exec(line) ?? [];
  if (name === undefined || numberText === undefined || !NUMBER.test(numberText)) throw new Error(`no sample: ${line}`);
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (labelText !== undefined && LABEL.lastIndex < labelText.length) {
    const [, label = '', value = ''] = LABEL.exec(labelText) ?? [];
    if (label === '' || labels.has(label)) throw new Error(`bad or repeated label: ${line}`);
    labels.set(
      label,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
  return { name, labels, value: Number(numberText.replace('Inf', 'Infinity')) };
}

function close({ name, metadata, samples }: OpenFamily): ParsedFamily {
  const type = metadata.get('TYPE');
  const help = metadata.get('HELP');
  if (type === undefined || help === undefined) throw new Error(`${name} has no type or no help`);
  const keys = samples.map((sample) => keyOf(sample, []));
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a series twice`);
  for (const { value } of type === 'gauge' ? [] : samples) {
    if (!(value >= 0)) throw new Error(`${name} is ${value}`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
  return { name, type, help, samples };
}

/** Each label set in one piece: rising buckets that add up, then sum and count. */
function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const groups = new Map<string, ParsedSample[]>();
  let last = '';
  for (const sample of samples) {
    const key = keyOf({ ...sample, name }, ['le']);
    if (key !== last && groups.has(key)) throw new Error(`${key} comes in two parts`);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
    last = key;
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => labels.get('le') ?? '');
    if (!bounds.every((bound) => CANONICAL_BOUND.test(bound))) throw new Error(`bounds of ${key}: ${bounds.join(' ')}`);
    if (bounds.at(-1) !== '+Inf') throw new Error(`${key} has no bucket +Inf`);
    rises(key, bounds.slice(0, -1).map(Number), { strictly: true });
    rises(
      key,
      buckets.map(({ value }) => value),
      { strictly: false },
    );
    const count = group.find((sample) => sample.name === `${name}_count`);
    if (count?.value !== buckets.at(-1)?.value) throw new Error(`${key}: the count is not that of +Inf`);
    if (!group.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${key} has no sum`);
  }
}

function rises(key: string, values: readonly number[], { strictly }: { readonly strictly: boolean }): void {
  values.reduce((before, value) => {
    if (strictly ? value <= before : value < before) throw new Error(`${key} falls from ${before} to ${value}`);
    return value;
  }, -1);
}

function keyOf({ name, labels }: Pick<ParsedSample, 'name' | 'labels'>, without: readonly string[]): string {
  return JSON.stringify([name, ...[...labels].filter(([label]) => !without.includes(label)).sort()]);
}
