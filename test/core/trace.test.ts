import { expect, test } from 'vitest';
import { spanIdOf, toTrace, traceparentOf } from '../../src/core/trace.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';

test('reads a traceparent as W3C writes it, and writes it back', () => {
  const traceparent = `00-${TRACE_ID}-${SPAN_ID}-01`;
  expect(toTrace(traceparent)).toEqual({ traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true });
  expect(traceparentOf(toTrace(traceparent)!)).toBe(traceparent);
  expect(toTrace(`00-${TRACE_ID}-${SPAN_ID}-00`)?.isSampled).toBe(false);
  // Flags of later levels are no reason to lose the trace, and are not handed on.
  expect(traceparentOf(toTrace(`00-${TRACE_ID}-${SPAN_ID}-03`)!)).toBe(traceparent);
});

test.for([
  ['nothing', null],
  ['another version', `01-${TRACE_ID}-${SPAN_ID}-01`],
  ['no trace', `00-${'0'.repeat(32)}-${SPAN_ID}-01`],
  ['no span', `00-${TRACE_ID}-${'0'.repeat(16)}-01`],
  ['capitals', `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`],
  ['two of them', `00-${TRACE_ID}-${SPAN_ID}-01, 00-${TRACE_ID}-${SPAN_ID}-01`],
  ['other words', 'traceparent'],
] as const)('takes %s for none', ([, written]) => {
  expect(toTrace(written)).toBeNull();
});

test('the parts of a thing have ids that every replica finds', () => {
  const lease = '6f1b2c3d-0000-4000-8000-000000000000';
  expect(spanIdOf(lease, 'run')).toMatch(/^[0-9a-f]{16}$/);
  expect(spanIdOf(lease, 'run')).toBe(spanIdOf(lease, 'run'));
  expect(spanIdOf(lease, 'run')).not.toBe(spanIdOf(lease, 'wait'));
});
