import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../../../src/core/limits.ts';
import { Refusal } from '../../../src/core/refusal.ts';
import { idOf } from '../../../src/fronts/grpc/convert-ids.ts';
import { jobMessageOf, jobRequestOf, jobStateOf } from '../../../src/fronts/grpc/convert-job.ts';
import { resultMessageOf, resultsOf } from '../../../src/fronts/grpc/convert-results.ts';
import { dateOrNull, durationOf, msOf, timestampOf } from '../../../src/fronts/grpc/convert-time.ts';
import { packedWork, packWork, workOf } from '../../../src/fronts/grpc/convert-work.ts';
import { Job } from '../../../src/gen/stationgrid/v1/jobs.ts';
import { StationWork, TestResult as TestResultMessage } from '../../../src/gen/stationgrid/v1/work.ts';
import { arbitraryJobView, arbitraryMs, arbitraryResult, arbitraryWork } from '../../support/arbitrary-jobs.ts';

const field = (number: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([number * 8 + 2, body.length]), body]);

/** Equal in every member, whatever their prototypes; bytes and big numbers as plain ones. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      member instanceof Uint8Array ? [...member] : typeof member === 'bigint' ? String(member) : member,
    ),
  );

describe('over the wire and back', () => {
  it('a job that is shown asks for the same job when it is sent', () => {
    fc.assert(
      fc.property(arbitraryJobView, (view) => {
        const job = Job.decode(Job.encode(jobMessageOf(view)).finish());
        expect(jobStateOf(job.state)).toBe(view.state);
        const request = jobRequestOf({ requestId: view.requestId, job });
        expect(plain(request)).toEqual({
          ...(plain(request) as object),
          ...(plain({
            requestId: view.requestId,
            instance: view.instance,
            station: view.station,
            serials: view.serials,
            constraints: view.constraints,
            requestedBotId: view.requestedBotId,
            priority: view.priority,
            route: view.route,
            onFailed: view.onFailed,
            attemptsMax: view.attemptsMax,
            queueTimeoutMs: view.queueTimeoutMs,
            executionTimeoutMs: view.task.kind === 'work' ? view.executionTimeoutMs : null,
          }) as object),
        });
        expect(plain(request.task)).toEqual(
          plain({
            ...view.task,
            ...(view.task.kind === 'foreign' ? { value: Buffer.from(view.task.value).subarray() } : {}),
          }),
        );
      }),
    );
  });

  it('station work is the same work', () => {
    fc.assert(
      fc.property(arbitraryWork, (work) => {
        expect(plain(workOf(packedWork(packWork(work))!))).toEqual(plain(work));
      }),
    );
  });

  it('a result is the same result', () => {
    fc.assert(
      fc.property(arbitraryResult, (result) => {
        const message = TestResultMessage.decode(TestResultMessage.encode(resultMessageOf(result)).finish());
        expect(plain(resultsOf([message], defaultLimits))).toEqual(plain([result]));
      }),
    );
  });

  // Protobuf has no others.
  const [min, max] = [new Date('0001-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59.999Z')];
  const anyDate = fc.date({ min, max, noInvalidDate: true });

  it('a time span and a moment are the same to the millisecond', () => {
    fc.assert(
      fc.property(arbitraryMs, anyDate, (ms, at) => {
        expect(msOf(durationOf(ms))).toBe(ms);
        expect(dateOrNull(timestampOf(at))!.getTime()).toBe(at.getTime());
      }),
    );
  });
});

describe('from a wire that may say anything', () => {
  it('a member named __proto__ is left out, and gives nothing to whoever reads the others', () => {
    // Written by hand, since no plain object holds such a member: the map entry of a Struct, key and value.
    const bool = Buffer.from([0x20, 1]);
    const evil = field(5, field(1, Buffer.concat([field(1, Buffer.from('polluted')), field(2, bool)])));
    const entry = Buffer.concat([field(1, Buffer.from('__proto__')), field(2, evil)]);
    const test = Buffer.concat([field(1, Buffer.from('probe')), field(4, field(1, entry))]);
    const work = StationWork.decode(field(4, test));
    const { args } = workOf(work).tests[0]!;
    expect(args).toEqual({});
    expect((args as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

  it('a moment is one that a date can hold, or none', () => {
    fc.assert(
      fc.property(int64, int32, (seconds, nanos) => {
        const at = dateOrNull({ seconds, nanos });
        if (at !== null) expect(() => at.toISOString()).not.toThrow();
        expect(Number.isNaN(msOf({ seconds, nanos }))).toBe(false);
      }),
    );
  });

  it('an id is a number that the farm could have drawn, or is not found', () => {
    fc.assert(
      fc.property(int64, (id) => {
        try {
          expect(BigInt(idOf('job', id))).toBe(id);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
    );
  });
});
