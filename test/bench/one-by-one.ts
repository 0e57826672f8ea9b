/**
 * A whole job a bot and a time: the completion of one job with the grant of the next is a commit, and its start is another.
 * By sixteen homes of one replica's making that share sixteen connections; and by pgbench, from a recording of one of them.
 */
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import type { Home } from '../../src/farm/home.ts';
import { openHome } from '../../src/farm/open-home.ts';
import type { HeldLease } from '../../src/farm/sessions.ts';
import { urlOf } from '../support/test-server.ts';
import { ask, type Backlog, openBacklog } from './backlog.ts';
import { callOnce, crewOf, openWorkers, WARM_MS, type Worker } from './crew.ts';
import { benchLimits, benchLine, INSTANCE } from './line.ts';
import type { Bench } from './measure.ts';
import { FIRST_DEVICE, FIRST_JOB, type Script, toScript } from './pgbench-script.ts';
import { keepScript, openPgbench } from './pgbench.ts';
import { createRecorder } from './recording.ts';
import type { Side } from './side.ts';

export const CONNECTIONS = 16;

type Opened = {
  readonly workers: readonly Worker[];
  readonly home: Home;
  readonly backlog: Backlog;
  readonly ownerUrl: string;
  readonly url: string;
  /** Ends the farm, and leaves its database. */
  readonly leave: () => Promise<void>;
  readonly drop: () => Promise<void>;
};

/** Sixteen bots, each with a lease that it has started, in front of a long queue. */
const open = async ({ site }: Bench, name: string): Promise<Opened> => {
  const { url, ownerUrl, drop } = await site.database(name);
  // Row ids that are found again in a recording; on both sides, so that rows are of one size.
  await ask(ownerUrl, `alter sequence job_ids restart with ${FIRST_JOB}`);
  await ask(ownerUrl, `alter table devices alter column id restart with ${FIRST_DEVICE}`);
  const limits = { ...benchLimits, postgres: { poolMax: CONNECTIONS } };
  const { home, close } = await site.openFarm(url, { lines: [benchLine()], limits });
  // Each home has a batcher of its own and one bot: no two jobs share a commit.
  const homes = Array.from({ length: CONNECTIONS }, () => openHome(home));
  const workers = await Promise.all(
    homes.map((each, number) => openWorkers(each, { count: 1, prefix: `bot${number}` })),
  );
  const backlog = await openBacklog(home, ownerUrl);
  await backlog.fill();
  const never = new AbortController().signal;
  await Promise.all(
    workers.flat().map(async (worker) => {
      while (worker.leases[0]?.state !== 'ACTIVE') await callOnce(worker, never);
    }),
  );
  return { workers: workers.flat(), home, backlog, ownerUrl, url, leave: close, drop };
};

/** The farm's side. */
export const openOneByOne = async (bench: Bench): Promise<Side> => {
  const opened = await open(bench, 'one_by_one');
  const crew = crewOf(opened.workers);
  return {
    perSecond: async (seconds) => {
      await opened.backlog.fill();
      return (await crew.work({ warmMs: WARM_MS, forMs: seconds * 1000 })).perSecond;
    },
    close: async () => {
      await opened.leave();
      await opened.drop();
    },
  };
};

/**
 * pgbench's side: the statements of one bot's next job, by sixteen connections for sixteen bots.
 * @param pipelines whether statements that the farm sends without waiting are sent so.
 */
export const openReplay = async (bench: Bench, { pipelines = true } = {}): Promise<Side> => {
  const pgbench = await openPgbench();
  const opened = await open(bench, 'replay');
  const script = await recordJob(opened, pipelines);
  await spellLeases(opened.ownerUrl);
  const { backlog, url } = opened;
  await opened.leave();
  const scriptPath = keepScript(bench.site.folder, pipelines ? 'replay-pipelined' : 'replay', script.text);
  bench.say(`a job is ${script.statements} statements: ${scriptPath}`);
  return {
    perSecond: async (seconds) => {
      await backlog.fill();
      return pgbench.perSecond({ url, scriptPath, connections: CONNECTIONS, seconds, variables: { ready: '0' } });
    },
    close: opened.drop,
  };
};

/** The first worker completes its job, is given the next one in the same commit, and starts it. */
const recordJob = async ({ workers, home }: Opened, pipelines: boolean): Promise<Script> => {
  const [worker] = workers;
  if (worker === undefined) throw new Error('nobody works');
  const recorder = createRecorder(home.pool);
  const never = new AbortController().signal;
  const job = async (): Promise<void> => {
    await callOnce(worker, never);
    await callOnce(worker, never);
  };
  // Once unrecorded: what is learnt once is no part of a job.
  await job();
  const first = leaseOf(worker);
  const sent = await recorder.record(job);
  const next = leaseOf(worker);
  const device = String(first.deviceId);
  return toScript({
    sent,
    given: [
      { value: worker.name, variable: 'session' },
      { value: worker.botId, variable: 'bot' },
      { value: device, variable: 'device' },
    ],
    lease: { first: first.id, next: next.id },
    job: { first: String(first.jobId), next: String(next.jobId) },
    opening: OPENING,
    pipelines,
  });
};

const leaseOf = ({ leases }: Worker): HeldLease => {
  const [lease] = leases;
  if (lease?.state !== 'ACTIVE') throw new Error('the bot was given no work');
  return lease;
};

const OPENING = `
  select s.name as session, s.bot_id as bot, s.device_ids[1] as device, l.job_id as job,
         left(l.id::text, 8) as lease_a, right(l.id::text, 12) as lease_b
  from bot_sessions s join leases l on l.session_name = s.name and l.state = 'ACTIVE'
  where s.instance = '${INSTANCE}' and s.bot_id = 'bot' || :client_id::text || '-0'`.replaceAll(/\s*\n\s*/g, ' ');

/** pgbench has numbers only: the leases that are open get ids of which both ends are decimal. */
const spellLeases = async (ownerUrl: string): Promise<void> => {
  const superuser = urlOf(ownerUrl, { user: SUPERUSER });
  await ask(
    superuser,
    `with off as (select set_config('session_replication_role', 'replica', true)
     ), spelt as materialized (
       select l.id as was, (10000000 + row_number() over () || '-0000-4000-8000-100000000000')::uuid as is
       from leases l, off where l.state = 'ACTIVE'
     ), calls as (
       update shopfloor_calls c set lease_id = s.is from spelt s where c.lease_id = s.was)
     update leases l set id = s.is from spelt s where l.id = s.was`,
  );
};
