/** Processes that cannot be started, by the real node:cluster. Those that can are in test/e2e/workers.test.ts. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { forkWith } from '../../src/workers/fork.ts';
import { Supervisor } from '../../src/workers/supervisor.ts';
import { createManualClock } from '../support/manual-clock.ts';

const { execPath } = process;
afterEach(() => {
  process.execPath = execPath;
  delete process.env['STATIONGRID_TOO_LONG'];
});

const openHost = () => {
  const clock = createManualClock();
  const log: string[] = [];
  const say = (facts: Readonly<Record<string, unknown>>, sentence: string): void => {
    log.push(`${sentence}: ${String(facts['why'])}`);
  };
  const supervisor = new Supervisor({
    fork: forkWith(clock),
    wanted: 1,
    limits: defaultLimits.workers,
    clock,
    random: () => 1,
    log: { info: say, warn: say, error: say },
    answers: { begin: () => ({ databaseUrl: '', embeddedIn: null }), metrics: () => '' },
    witness: { counted: () => undefined, gone: () => undefined, died: () => undefined },
  });
  return { supervisor, log };
};

test('a worker whose program is gone, as while it is installed anew, has ended before it served', async () => {
  process.execPath = join(import.meta.dirname, 'no-node-is-here');
  const { supervisor } = openHost();
  await expect(supervisor.start()).rejects.toThrow(
    `the process of worker 1 could not be started: spawn ${process.execPath} ENOENT`,
  );
  await supervisor.stop();
});

test('so has one for which the system has no room', async () => {
  // Linux and macOS take no environment with such a variable in it.
  process.env['STATIONGRID_TOO_LONG'] = 'x'.repeat(4_000_000);
  const { supervisor } = openHost();
  await expect(supervisor.start()).rejects.toThrow('the process of worker 1 could not be started: spawn E2BIG');
  await supervisor.stop();
});

test('nobody who asks it waits, and it can be killed', async () => {
  process.execPath = join(import.meta.dirname, 'no-node-is-here');
  const worker = forkWith(createManualClock())(1, toAnswers({}));
  await expect(worker.ask('alive', null, 1_000)).rejects.toThrow('the process could not be started');
  worker.kill();
  expect(await worker.ended).toMatchObject({ code: null, signal: null, why: expect.stringContaining('ENOENT') });
});

function toAnswers(none: object): Parameters<ReturnType<typeof forkWith>>[1] {
  return none as Parameters<ReturnType<typeof forkWith>>[1];
}
