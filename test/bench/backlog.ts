/** Queues that are long at once: a job is enqueued through the farm's verb, and its rows are multiplied in SQL. */
import pg from 'pg';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import type { Home } from '../../src/farm/home.ts';
import { benchJob } from './line.ts';

/** One statement with the owner's rights, for as long as it takes. */
export const ask = async (
  url: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const db = new pg.Client({ connectionString: url, application_name: 'stationgrid bench' });
  await db.connect();
  try {
    const { rows } = await db.query<Record<string, unknown>>(statement, [...values]);
    return rows;
  } finally {
    await db.end();
  }
};

/** What the verb writes for a job without a request id: the job, its event, its tally. */
const MULTIPLY = `
  with pattern as (
    select * from jobs where id = $1
  ), made as (
    insert into jobs (instance, request_id, state, station, work, requirement_id, priority, attempts_max)
    select p.instance, gen_random_uuid()::text, 'QUEUED', p.station, p.work, p.requirement_id, p.priority, p.attempts_max
    from pattern p, generate_series(1, $2)
    returning id, instance, station
  ), told as (
    insert into farm_events (kind, instance, job_id, facts)
    select e.kind, made.instance, made.id, e.facts
    from made, (select kind, facts from farm_events where job_id = $1 and kind = 'JOB_ENQUEUED' limit 1) e
  )
  insert into tallies (family, instance, label, state, n)
  select 'job', instance, station, 'QUEUED', count(*) from made group by instance, station`;

export type Backlog = {
  /** Makes so many more, and wakes the farm. */
  readonly add: (jobs: number) => Promise<void>;
  readonly queued: () => Promise<number>;
  /** Before a run, not in it: so many that no side runs dry. */
  readonly fill: (ample?: number) => Promise<void>;
};

/** More than anything here does within one run. */
const AMPLE = 200_000;

/** @param className the class of bots that its jobs want; null: any bot. */
export const openBacklog = async (home: Home, ownerUrl: string, className: string | null = null): Promise<Backlog> => {
  const { id } = await enqueueJob(home, benchJob(className));
  const [job] = await ask(ownerUrl, 'select requirement_id::integer as requirement from jobs where id = $1', [id]);
  const requirement = Number(job?.['requirement']);
  const add = async (jobs: number): Promise<void> => {
    await ask(ownerUrl, MULTIPLY, [id, jobs]);
    home.wake([{ kind: 'requirement', id: requirement, jobs }]);
  };
  const queued = async (): Promise<number> => {
    const [row] = await ask(ownerUrl, `select count(*)::integer as n from jobs where state = 'QUEUED'`);
    return Number(row?.['n']);
  };
  return {
    add,
    queued,
    fill: async (ample = AMPLE) => {
      const n = await queued();
      if (n >= ample / 2) return;
      await add(ample - n);
      await settle(ownerUrl);
    },
  };
};

/** As autovacuum would have left the tables by now: statistics that fit what is in them. */
export const settle = async (ownerUrl: string): Promise<void> => {
  await ask(ownerUrl, 'vacuum analyze');
};
