import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/core/job-fingerprint.ts';
import type { JobRequest } from '../../src/core/job-request.ts';
import { jobRequest, testWork } from '../support/job-requests.ts';

const serials = fc.dictionary(fc.constantFrom('serials.a', 'serials.b', '__proto__', '1', '10'), fc.string());
const asked: fc.Arbitrary<JobRequest> = fc
  .record({
    requestId: fc.option(fc.string()),
    serials,
    priority: fc.integer(),
    route: fc.option(fc.constantFrom('', 'r')),
    args: fc.option(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })),
  })
  .map(({ args, ...rest }) => {
    const work = testWork('FAT');
    const tests = work.tests.map((test) => ({ ...test, args }));
    return jobRequest({ ...rest, task: { kind: 'work', work: { ...work, tests } } });
  });

/** The same value with the members of every object the other way round. */
const mirrored = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(mirrored);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, mirrored(member)]),
  );
};

describe('the fingerprint of a request', () => {
  it('does not depend on the order of members, nor on the id under which it is asked', () => {
    fc.assert(
      fc.property(asked, fc.option(fc.string()), (request, requestId) => {
        const same = { ...(mirrored(request) as JobRequest), requestId };
        expect(fingerprintOf(same)).toBe(fingerprintOf(request));
      }),
    );
  });

  it.each<[string, Partial<JobRequest>]>([
    ['another priority', { priority: 1 }],
    ['a route', { route: 'r' }],
    ['a serial', { serials: { 'serials.a': '1' } }],
    ['another test', { task: { kind: 'work', work: testWork('FAT', ['other']) } }],
    ['an empty bot id, which is not none', { requestedBotId: '' }],
  ])('changes with %s', (_what, changes) => {
    expect(fingerprintOf(jobRequest(changes))).not.toBe(fingerprintOf(jobRequest()));
  });
});
