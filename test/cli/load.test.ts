/** `stationgrid load` against a real farm: what it counts is what the farm has, and it leaves nothing behind. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { Summary } from '../../src/cli/load/summary.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { endOf, runCli, startCli } from './run-cli.ts';

/** What takes longer hangs. */
const TIMEOUT_MS = 120_000;

let site: Site;
let farm: StandingFarm;
beforeAll(async () => {
  site = await openSite({ lines: (url) => [{ instance: 'told', shopfloor: { url } }], set: ['instances=any'] });
  farm = await site.farm();
  await farm.start();
}, TIMEOUT_MS);
afterAll(() => site.close());

const ask = (words: readonly string[], server = farm.address) => runCli([...words, '--server', server]);

const askJson = async (words: readonly string[], server = farm.address): Promise<unknown> => {
  const { code, stdout, stderr } = await ask([...words, '-o', 'json'], server);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
};

const toSummary = (stdout: string): Summary => JSON.parse(stdout) as Summary;
const toJobs = (read: unknown) =>
  read as readonly { readonly id: string; readonly state: string; readonly attempts?: number }[];

const connectedBots = (instance: string) => askJson(['bots', 'list', '--connected', '--instance', instance]);
const jobsOf = async (instance: string) =>
  toJobs(await askJson(['job', 'list', '--limit', '0', '--instance', instance]));

const sumOf = ({ series }: Summary, what: 'sent' | 'enqueued' | 'finished'): number =>
  series.reduce((sum, row) => sum + row[what], 0);

test(
  'every job ends exactly once, every stage has its figures, and nothing stays behind',
  { timeout: TIMEOUT_MS },
  async () => {
    const load = [
      'load',
      '--instance',
      'sums',
      '--bots',
      '6',
      '--rate',
      '30',
      '--duration',
      '2s',
      '--run-ms',
      '20',
      '--json',
    ];
    const { code, stdout, stderr } = await ask(load);
    expect(code, stdout + stderr).toBe(0);
    // No bar where nobody watches.
    expect(stderr).toBe('');
    const summary = toSummary(stdout);
    expect(summary).toMatchObject({
      ending: 'complete',
      jobs: {
        sent: 60,
        refused: 0,
        enqueued: 60,
        finished: 60,
        failed: 0,
        cancelled: 0,
        unfinished: 0,
        lost: 0,
        duplicates: 0,
      },
      wrong: [],
    });
    for (const stage of ['enqueue', 'lease', 'completion', 'job', 'lag'] as const)
      expect([stage, summary.latencyMs[stage].n]).toEqual([stage, 60]);
    // A job is taken after it is due, and takes as long as its station at least.
    expect(summary.latencyMs.job.p50).toBeGreaterThanOrEqual(20);
    for (const what of ['sent', 'enqueued', 'finished'] as const)
      expect([what, sumOf(summary, what)]).toEqual([what, 60]);
    const jobs = await jobsOf('sums');
    expect(jobs).toHaveLength(60);
    expect(jobs.every(({ state, attempts }) => state === 'FINISHED' && attempts === 1)).toBe(true);
    expect(await connectedBots('sums')).toEqual([]);
    expect(await site.doctor()).toEqual([]);
  },
);

test('a farm that dies and comes back costs time, and nothing else', { timeout: 2 * TIMEOUT_MS }, async () => {
  const pace = ['--bots', '4', '--rate', '10', '--duration', '1h', '--run-ms', '50', '--json'];
  const child = startCli(['load', '--instance', 'killed', ...pace, '--server', farm.address]);
  const ending = endOf(child);
  const finished = async () => (await jobsOf('killed')).filter(({ state }) => state === 'FINISHED').length;
  await eventually(async () => expect(await finished()).toBeGreaterThan(5));
  await farm.kill();
  await farm.start();
  const before = await finished();
  await eventually(async () => expect(await finished()).toBeGreaterThan(before + 5));
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ending;
  expect(code, stdout + stderr).toBe(130);
  const { jobs, wrong, errors } = toSummary(stdout);
  expect({ wrong, lost: jobs.lost, duplicates: jobs.duplicates }).toEqual({ wrong: [], lost: 0, duplicates: 0 });
  // Those that were refused while it was away were never acknowledged.
  expect(jobs.finished + jobs.cancelled).toBe(jobs.enqueued);
  expect(errors.map(({ answer }) => answer).join()).toContain('UNAVAILABLE');
  expect(await site.doctor()).toEqual([]);
});

test(
  'when nothing ends any more it gives up, says what did not end, and clears away',
  { timeout: TIMEOUT_MS },
  async () => {
    const drain = ['bots', 'drain', 'load-*', '--instance', 'drained', '--note', 'no work for these'];
    expect((await ask(drain)).code).toBe(0);
    const load = ['--bots', '2', '--rate', '5', '--duration', '1s', '--run-ms', '1', '--settle', '100ms', '--json'];
    const { code, stdout, stderr } = await ask(['load', '--instance', 'drained', ...load]);
    expect(code, stdout + stderr).toBe(1);
    expect(toSummary(stdout)).toMatchObject({
      ending: 'gave up',
      jobs: { enqueued: 5, finished: 0, cancelled: 5, lost: 0 },
      wrong: ['5 jobs did not end; those in the queue were cancelled'],
    });
  },
);

test('where no farm answers, it says so', async () => {
  const { code, stderr } = await ask(['load', '--instance', 'nowhere'], '127.0.0.1:1,127.0.0.1:2');
  expect(code).toBe(4);
  expect(stderr).toContain('no farm answers at 127.0.0.1:2');
});

test('tells people the same in a table', { timeout: TIMEOUT_MS }, async () => {
  const load = [
    'load',
    '--instance',
    'table',
    '--bots',
    '4',
    '--rate',
    '10',
    '--duration',
    '1s',
    '--run-ms',
    '5',
    '--results',
    'end',
  ];
  const { code, stdout, stderr } = await ask(load);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/^Jobs: +10 sent, 10 enqueued, 10 finished$/m);
  expect(stdout).toMatch(/^Lost: +0$/m);
  expect(stdout).toMatch(/^MS +N +P50 +P90 +P99 +P99\.9 +MAX +FROM → TO$/m);
  expect(stdout).toMatch(/^job +10 .*acknowledged$/m);
});

test(
  'Ctrl-C: what is queued is cancelled, what runs is ended, bots leave, and the figures so far are told',
  { timeout: TIMEOUT_MS },
  async () => {
    // Two bots and stations of an hour: the other jobs stay queued.
    const load = [
      '--bots',
      '2',
      '--rate',
      '50',
      '--duration',
      '1h',
      '--run-ms',
      '3600000',
      '--json',
      '--server',
      farm.address,
    ];
    const child = startCli(['load', '--instance', 'stopped', ...load]);
    const ending = endOf(child);
    await eventually(async () => {
      const now = await jobsOf('stopped');
      // Started: an attempt counts from then.
      expect(now.filter(({ state, attempts }) => state === 'LEASED' && attempts === 1)).toHaveLength(2);
      expect(now.filter(({ state }) => state === 'QUEUED').length).toBeGreaterThan(5);
    });
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ending;
    expect(code, stdout + stderr).toBe(130);
    const { ending: how, jobs, wrong } = toSummary(stdout);
    expect({ how, wrong }).toEqual({ how: 'interrupted', wrong: [] });
    expect(jobs.enqueued).toBe(jobs.finished + jobs.cancelled);
    expect(jobs.finished).toBe(2);
    expect((await jobsOf('stopped')).filter(({ state }) => !['FINISHED', 'CANCELLED'].includes(state))).toEqual([]);
    expect(await connectedBots('stopped')).toEqual([]);
    expect(await site.doctor()).toEqual([]);
  },
);

test('with DUTs the shopfloor is told of every job, each lane in its order', { timeout: TIMEOUT_MS }, async () => {
  await site.shopfloor().start();
  const pace = ['--bots', '2', '--rate', '6', '--duration', '1s', '--run-ms', '5', '--tests', '2', '--json'];
  const { code, stdout, stderr } = await ask(['load', '--instance', 'told', '--duts', ...pace]);
  expect(code, stdout + stderr).toBe(0);
  expect(toSummary(stdout)).toMatchObject({
    jobs: { finished: 6, lost: 0 },
    calls: { owed: 0, dead: 0 },

    wrong: [],
  });
  const journal = await site.journal();
  // A start, two tests and an end of each job.
  expect(new Set(journal.map(({ key }) => key)).size).toBe(6 * 4);
  expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [] });
});

test('real work is neither begun nor spoilt', { timeout: TIMEOUT_MS }, async () => {
  const real = ['job', 'enqueue', '--instance', 'real', '--station', 'FAT', '--handler', 'FAT.Camera=camera'];
  const { id } = (await askJson(real)) as { id: string };
  const load = ['load', '--instance', 'real', '--bots', '3', '--rate', '1', '--duration', '1min'];
  const refused = await ask(load);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain(`the instance real is at work: job ${id} has not ended`);

  const stopped = await ask([...load, '--beside-other-work', '--json']);
  expect(stopped.code, stopped.stderr).toBe(1);
  expect(toSummary(stopped.stdout)).toMatchObject({
    ending: 'stopped',
    wrong: ['a job of somebody else reached a bot of this run, which handed it back unstarted'],
  });
  const untouched = (await jobsOf('real')).find((job) => job.id === id);
  expect(untouched).toMatchObject({ state: 'QUEUED' });
  expect(untouched?.attempts ?? 0).toBe(0);
});

test(
  'a farm that asks for credentials: tokens for the run, and none that holds afterwards',
  { timeout: TIMEOUT_MS },
  async () => {
    const issuer = ['--issuer', 'load-test', '--audience', 'stationgrid'];
    const [key, jwks, jwt] = ['key.json', 'jwks.json', 'admin.jwt'].map((name) => join(site.folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(jwks, (await runCli(['jwt', 'key', '--out', key])).stdout);
    const signed = await runCli(['jwt', 'sign', '--key', key, ...issuer, '--subject', 'ada', '--role', '*:admin']);
    writeFileSync(jwt, signed.stdout, { mode: 0o600 });
    const auth = ['issuer=load-test', 'audience=stationgrid', `jwksFile=${jwks}`].map((one) => `auth.jwt.${one}`);
    const secured = await site.farm('secured', { set: ['auth.botTokens=true', ...auth] });
    await secured.start();
    const load = [
      'load',
      '--instance',
      'secured',
      '--bots',
      '3',
      '--rate',
      '10',
      '--duration',
      '1s',
      '--run-ms',
      '5',
      '--json',
    ];

    const stranger = await ask(load, secured.address);
    expect(stranger.code).toBe(3);
    expect(stranger.stderr).toContain('UNAUTHENTICATED');

    const { code, stdout, stderr } = await ask([...load, '--token-file', jwt], secured.address);
    expect(code, stdout + stderr).toBe(0);
    expect(toSummary(stdout)).toMatchObject({ jobs: { finished: 10, lost: 0 }, wrong: [] });
    const tokens = (await askJson(
      ['bot', 'token', 'list', '--instance', 'secured', '--token-file', jwt],
      secured.address,
    )) as readonly {
      state: string;
    }[];
    expect(tokens.map(({ state }) => state)).toEqual(['REVOKED', 'REVOKED', 'REVOKED']);
  },
);
