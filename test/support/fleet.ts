/** Bots put straight into the database, for tests of what others see of them. Jobs are moved by the farm's own moves. */
import { randomUUID } from 'node:crypto';
import { canonicalProperties, propertiesText } from '../../src/core/match.ts';
import { insertSessions, lockIdentities } from '../../src/store/bot-sessions.ts';
import { lockJobs } from '../../src/store/jobs.ts';
import { insertLeases, lockOpenLeases } from '../../src/store/leases.ts';
import { readResults } from '../../src/store/test-results.ts';
import type { Farm } from '../../src/farm/farm.ts';
import { transact } from '../../src/farm/farm.ts';
import type { JobName } from '../../src/farm/get-job.ts';
import { listTestResults, type ResultView } from '../../src/farm/list-test-results.ts';
import { announce, moveJob, openLedger, writeLedger } from '../../src/farm/ledger.ts';
import { type LeaseStep, settleLease } from '../../src/farm/settle-lease.ts';

export type TestBot = { readonly name: string; readonly instance: string; readonly botId: string };

/** A bot with a live session. */
export const connectBot = async (
  farm: Farm,
  bot: {
    readonly botId: string;
    readonly status?: number;
    readonly capacity?: number;
    readonly properties?: readonly (readonly [string, string])[];
    readonly deviceIds?: readonly number[];
  },
): Promise<TestBot> => {
  const { botId } = bot;
  const instance = 'line-1';
  const name = `${instance}/${randomUUID()}`;
  await transact(farm, (db) => lockIdentities(db, [{ instance, botId }]));
  const session = {
    name,
    instance,
    botId,
    status: bot.status ?? 1,
    version: '1',
    capacity: bot.capacity ?? 1,
    properties: propertiesText(canonicalProperties(bot.properties ?? [])),
    deviceIds: bot.deviceIds ?? [],
    peer: 'test',
    adopted: 0,
  };
  await insertSessions(farm.pool, [session], { replica: farm.replica, ttlMs: farm.limits.session.ttlMs });
  return { name, instance, botId };
};

/** Gives a queued job to the bot; the lease's id. */
export const giveJob = async (farm: Farm, bot: TestBot, jobId: number): Promise<string> => {
  const leaseId = randomUUID();
  const ledger = await transact(farm, async (db) => {
    const jobs = await lockJobs(db, { jobIds: [jobId], sessionNames: [] });
    const ledger = openLedger(farm.clock.now(), { jobs });
    const job = ledger.jobs.get(jobId)!;
    await insertLeases(db, [
      {
        id: leaseId,
        jobId,
        instance: job.instance,
        sessionName: bot.name,
        botId: bot.botId,
        deviceId: job.deviceId,
        station: job.station,
        attempt: job.attempts + 1,
        gated: false,
        work: null,
        lostAfterMs: 90_000,
      },
    ]);
    moveJob(ledger, job, 'GRANTED');
    job.botId = bot.botId;
    await writeLedger(db, ledger);
    return ledger;
  });
  announce(ledger, farm);
  return leaseId;
};

/** Takes one step of the job's open lease. */
export const stepLease = async (farm: Farm, jobId: number, step: Partial<LeaseStep> & Pick<LeaseStep, 'event'>) => {
  const ledger = await transact(farm, async (db) => {
    const jobIds = [jobId];
    const jobs = await lockJobs(db, { jobIds, sessionNames: [] });
    const leases = await lockOpenLeases(db, { jobIds, sessionNames: [] });
    const told = step.completion?.results.map(({ testId }) => testId) ?? [];
    const results = await readResults(db, leases, told);
    const ledger = openLedger(farm.clock.now(), { jobs, leases, results });
    settleLease(farm, ledger, leases[0]!, { why: 'the test says so', completion: null, ...step });
    await writeLedger(db, ledger);
    return ledger;
  });
  announce(ledger, farm);
};

/** The bot takes the job, starts it and completes it, every named test with this status. */
export const runJob = async (
  farm: Farm,
  bot: TestBot,
  jobId: number,
  status: 'PASSED' | 'FAILED' = 'PASSED',
  testIds: readonly string[] = ['probe'],
): Promise<void> => {
  await giveJob(farm, bot, jobId);
  await stepLease(farm, jobId, { event: 'SHOWN_ACTIVE' });
  const blank = {
    errorMessage: '',
    measurements: [],
    attachments: [],
    startedAt: null,
    durationMs: null,
    logsTail: '',
  };
  const results = testIds.map((testId) => ({ ...blank, testId, status }));
  const completion = { code: 0, message: '', results, unread: null, result: null };
  await stepLease(farm, jobId, { event: 'COMPLETED_OK', completion });
};

/** Of all attempts of a job, on as many pages as it takes. */
export const allResults = async (farm: Farm, job: JobName): Promise<readonly ResultView[]> => {
  const all: ResultView[] = [];
  let pageToken = '';
  do {
    const page = await listTestResults(farm, { ...job, pageSize: 0, pageToken });
    all.push(...page.results);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return all;
};
