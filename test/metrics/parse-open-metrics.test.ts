import { expect, test } from 'vitest';
import { parseOpenMetrics } from './parse-open-metrics.ts';

const head = '# TYPE a counter\n# HELP a Words.\n';

test('reads a page that keeps to the format', () => {
  expect(parseOpenMetrics(`${head}a_total{b="c\\n\\"d\\\\"} 1.5e3\n# EOF\n`)).toEqual([
    {
      name: 'a',
      type: 'counter',
      help: 'Words.',
      samples: [{ name: 'a_total', labels: new Map([['b', 'c\n"d\\']]), value: 1500 }],
    },
  ]);
});

// prettier-ignore
test.each([
  ['no end',                       `${head}a_total 1\n`],
  ['something after the end',      `${head}a_total 1\n# EOF\n\n`],
  ['an empty line',                `${head}\na_total 1\n# EOF\n`],
  ['a counter without _total',     `${head}a 1\n# EOF\n`],
  ['a counter that is negative',   `${head}a_total -1\n# EOF\n`],
  ['no help',                      '# TYPE a gauge\na 1\n# EOF\n'],
  ['metadata after samples',       '# TYPE a gauge\na 1\n# HELP a Words.\n# EOF\n'],
  ['a bare quote in the help',     '# TYPE a gauge\n# HELP a "Words".\na 1\n# EOF\n'],
  ['a series twice',               `${head}a_total{b="c"} 1\na_total{b="c"} 2\n# EOF\n`],
  ['a label twice',                `${head}a_total{b="c",b="d"} 1\n# EOF\n`],
  ['a comma after the last label', `${head}a_total{b="c",} 1\n# EOF\n`],
  ['a family in two parts',        `${head}a_total 1\n# TYPE b gauge\n# HELP b B.\n# TYPE a counter\n# EOF\n`],
  ['a number that is none',        `${head}a_total Nan\n# EOF\n`],
  ['a unit that the name lacks',   '# TYPE a gauge\n# UNIT a seconds\n# HELP a A.\n# EOF\n'],
  ['a bound that is not canonical', '# TYPE a histogram\n# HELP a A.\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n# EOF\n'],
  ['buckets that fall',            '# TYPE a histogram\n# HELP a A.\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n# EOF\n'],
  ['a count of its own',           '# TYPE a histogram\n# HELP a A.\na_bucket{le="1.0"} 1\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n# EOF\n'],
])('refuses %s', (_what, page) => {
  expect(() => parseOpenMetrics(page)).toThrow();
});
