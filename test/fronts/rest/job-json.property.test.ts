import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, durationText } from '../../../src/fronts/rest/durations.ts';
import { jobJson, jobRequestOf, jobSchema } from '../../../src/fronts/rest/job-json.ts';
import { resultJson, resultSchema } from '../../../src/fronts/rest/results-json.ts';
import { arbitraryJobView, arbitraryMs, arbitraryResult } from '../../support/arbitrary-jobs.ts';

/** As a client gets it, and may send it back. */
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
/** Equal in every member, whatever their prototypes; bytes as numbers. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, member: unknown) => (member instanceof Uint8Array ? [...member] : member)));

describe('a job in JSON', () => {
  it('asks, when what is shown of one job is sent back, for the same job', () => {
    fc.assert(
      fc.property(arbitraryJobView, (view) => {
        const shown = overTheWire(jobJson(view)) as Record<string, unknown>;
        const { requestId, station, work, payload, serials, constraints, requestedBotId, priority, ...rest } = shown;
        const { route, onFailed, attemptsMax, queueTimeout } = rest;
        const asked = { requestId, station, work, payload, serials, constraints, requestedBotId, priority };
        const body = overTheWire({ ...asked, route, onFailed, attemptsMax, queueTimeout });
        const request = jobRequestOf(view.instance, jobSchema.parse(body));
        expect(plain(request)).toEqual(
          plain({
            requestId: view.requestId,
            instance: view.instance,
            station: view.station,
            task:
              view.task.kind === 'work' ? view.task : { ...view.task, value: Buffer.from(view.task.value).subarray() },
            serials: view.serials,
            constraints: view.constraints,
            requestedBotId: view.requestedBotId,
            priority: view.priority,
            route: view.route,
            onFailed: view.onFailed,
            attemptsMax: view.attemptsMax,
            queueTimeoutMs: view.queueTimeoutMs,
            matchTimeoutMs: null,
            // The time that foreign work may take stands beside it, and only reservations can ask for it.
            executionTimeoutMs: view.task.kind === 'work' ? view.executionTimeoutMs : null,
            expiresAt: null,
            reservation: null,
          }),
        );
      }),
    );
  });

  it('shows results that read back as themselves', () => {
    fc.assert(
      fc.property(arbitraryResult, (result) => {
        expect(plain(resultSchema.parse(overTheWire(resultJson(result))))).toEqual(plain(result));
      }),
    );
  });

  it('writes every duration so that it reads as itself', () => {
    fc.assert(
      fc.property(arbitraryMs, (ms) => {
        expect(duration().parse(durationText(ms))).toBe(ms);
      }),
    );
  });
});
