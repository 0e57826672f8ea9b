import { expect, test } from 'vitest';
import { formatFor } from '../../src/metrics/accept.ts';
import { contentTypes } from '../../src/metrics/exposition.ts';

// prettier-ignore
const cases: readonly [accept: string | undefined, format: 'text' | 'openmetrics'][] = [
  [undefined,                                                                                          'text'],
  ['',                                                                                                 'text'],
  ['*/*',                                                                                              'text'],
  ['text/html, */*;q=0.1',                                                                             'text'],
  ['application/json',                                                                                 'text'],
  ['text/plain; version=0.0.4',                                                                        'text'],
  ['application/openmetrics-text',                                                                     'openmetrics'],
  ['Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8',                                     'openmetrics'],
  ['application/openmetrics-text;version=0.0.1',                                                       'text'],
  ['application/openmetrics-text;q=0',                                                                 'text'],
  ['application/openmetrics-text;q=0.4, text/plain;q=0.5',                                             'text'],
  ['application/openmetrics-text;q=0.5, text/plain;q=0.4',                                             'openmetrics'],
  ['application/openmetrics-text, */*',                                                                'openmetrics'],
  ['application/openmetrics-text, text/plain',                                                         'openmetrics'],
  ['text/plain, application/openmetrics-text',                                                         'text'],
  ['text/plain;version=0.0.4;q=0, */*',                                                                'openmetrics'],
  ['application/openmetrics-text;q=nonsense, */*;q=0.1',                                               'text'],
  // Prometheus 2.42 and 3.
  ['application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'openmetrics'],
  ['application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2', 'openmetrics'],
  // Prometheus with scrape_protocols: [PrometheusText0.0.4].
  ['text/plain;version=0.0.4;q=0.6,*/*;q=0.5',                                                         'text'],
];

test.each(cases)('Accept: %s is answered with %s', (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});

test('each format says what it is', () => {
  expect(contentTypes.text).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(contentTypes.openmetrics).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
});
