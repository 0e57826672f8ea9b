import { status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { Job, JobState, Verdict, WatchJobResponse } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type Canned, type CannedFarm, refusal, startCannedFarm } from './canned-farm.ts';
import { runCli } from './run-cli.ts';

const farms: CannedFarm[] = [];
afterEach(() => {
  for (const farm of farms.splice(0)) farm.stop();
});

const ask = async (words: readonly string[], canned: Canned) => {
  const farm = await startCannedFarm(canned);
  farms.push(farm);
  return { ...(await runCli([...words, '--server', farm.address])), asked: farm.asked };
};

const job = (state: JobState, verdict: Verdict = Verdict.VERDICT_UNSPECIFIED, id = 17) =>
  Job.fromPartial({
    id,
    station: 'FAT',
    state,
    verdict,
    reason: verdict === Verdict.VERDICT_FAILED ? 'no result' : '',
  });

const said = (event: string, cursor: string, now: Job) => WatchJobResponse.create({ event, cursor, job: now });

const queued = said('', 'c1', job(JobState.QUEUED));
const leased = said('LEASE_GRANTED', 'c2', job(JobState.LEASED));
const passed = said('JOB_FINISHED', 'c3', job(JobState.FINISHED, Verdict.VERDICT_PASSED));
const failed = said('JOB_FINISHED', 'c3', job(JobState.FINISHED, Verdict.VERDICT_FAILED));

const telling = (...messages: readonly WatchJobResponse[]): Canned => ({
  watchJob: (_, call) => {
    for (const message of messages) call.write(message);
    call.end();
  },
});

test('follows a job to its end, a line an event', async () => {
  const { code, stdout, stderr } = await ask(['job', 'watch', '17'], telling(queued, leased, passed));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [first, second, third, ...rest] = stdout.split('\n').map((line) => line.replace(/^[\d-]+ [\d:]+/, 'TIME'));
  expect([first, second, third]).toEqual([
    'TIME  NOW  QUEUED',
    'TIME  LEASE_GRANTED  LEASED',
    'TIME  JOB_FINISHED  FINISHED',
  ]);
  expect(rest.join('\n')).toContain('Verdict:   PASSED');
});

test('JSON has a value a line', async () => {
  const { stdout } = await ask(['job', 'watch', '17', '-o', 'json'], telling(queued, leased, passed));
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { event?: string; cursor: string });
  expect(lines.map(({ event, cursor }) => [event, cursor])).toEqual([
    [undefined, 'c1'],
    ['LEASE_GRANTED', 'c2'],
    ['JOB_FINISHED', 'c3'],
  ]);
});

// prettier-ignore
test.each([
  ['failed its tests', job(JobState.FINISHED, Verdict.VERDICT_FAILED), 1],
  ['ended without a verdict', job(JobState.JOB_FAILED), 1],
  ['was cancelled', job(JobState.CANCELLED), 1],
  ['was a station\'s work and has no verdict', job(JobState.FINISHED), 1],
  ['was foreign work that ran to its end', { ...job(JobState.FINISHED), station: '' }, 0],
] as const)('a job that %s', async (_, ended, code) => {
  expect((await ask(['job', 'watch', '17'], telling(said('X', 'c', ended)))).code).toBe(code);
});

test('takes a broken watch up after the last event it saw', async () => {
  let streams = 0;
  const { code, stdout, asked } = await ask(['job', 'watch', '17'], {
    watchJob: (_, call) => {
      streams += 1;
      if (streams === 1) {
        call.write(queued);
        call.write(leased);
        call.emit('error', refusal(status.UNAVAILABLE, 'this replica is stopping'));
      } else {
        call.write(passed);
        call.end();
      }
    },
  });
  expect(code).toBe(0);
  expect(asked.map(({ request }) => (request as { cursor: string }).cursor)).toEqual(['', 'c2']);
  expect(stdout.match(/JOB_FINISHED/g)).toHaveLength(1);
});

test('a refused watch is not repeated', async () => {
  const { code, asked } = await ask(['job', 'watch', '17'], {
    watchJob: (_, call) => {
      call.emit('error', refusal(status.NOT_FOUND, 'There is no job 17.', { reason: 'JOB_UNKNOWN' }));
    },
  });
  expect(code).toBe(3);
  expect(asked).toHaveLength(1);
});

test('gives up after --timeout, and says how to see what the job waits for', async () => {
  const { code, stderr } = await ask(['job', 'watch', '17', '--timeout', '200ms'], {
    watchJob: (_, call) => {
      call.write(queued);
    },
  });
  expect(code).toBe(5);
  expect(stderr).toBe(
    'error: --timeout is over and job 17 has not ended\n' +
      'It goes on: `stationgrid job why 17` says what it waits for.\n',
  );
});

test('--wait waits for all jobs, and fails when one did not pass; no progress where nobody watches', async () => {
  const verdicts = [Verdict.VERDICT_PASSED, Verdict.VERDICT_FAILED, Verdict.VERDICT_PASSED];
  const { code, stdout, stderr } = await ask(
    ['job', 'enqueue', '--station', 'FAT', '--count', '3', '--wait', '-o', 'json'],
    {
      batchEnqueueJobs: ({ requests }) => ({
        jobs: requests.map((_, i) => job(JobState.QUEUED, Verdict.VERDICT_UNSPECIFIED, i + 1)),
      }),
      watchJob: ({ id }, call) => {
        call.write(said('JOB_FINISHED', 'c', job(JobState.FINISHED, verdicts[Number(id) - 1], Number(id))));
        call.end();
      },
    },
  );
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect((JSON.parse(stdout) as { verdict: string }[]).map(({ verdict }) => verdict)).toEqual([
    'VERDICT_PASSED',
    'VERDICT_FAILED',
    'VERDICT_PASSED',
  ]);
});

test('--wait for one that passes', async () => {
  const { code, stdout } = await ask(['job', 'enqueue', '--station', 'FAT', '--wait'], {
    enqueueJob: () => job(JobState.QUEUED),
    ...telling(queued, passed),
  });
  expect(code).toBe(0);
  expect(stdout).toContain('Verdict:   PASSED');
  const failing = await ask(['job', 'enqueue', '--station', 'FAT', '--wait'], {
    enqueueJob: () => job(JobState.QUEUED),
    ...telling(failed),
  });
  expect(failing.code).toBe(1);
  expect(failing.stdout).toContain('Reason:    no result');
});
