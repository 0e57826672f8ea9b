/**
 * The barest queue that PostgreSQL can be: a claim and a completion, each an update of one row and a commit, with nothing
 * written beside. Its rows are jobs as the farm has them.
 */
import { ask, openBacklog } from './backlog.ts';
import { benchLimits, benchLine } from './line.ts';
import type { Bench } from './measure.ts';
import { CONNECTIONS } from './one-by-one.ts';
import { keepScript, openPgbench } from './pgbench.ts';
import type { Side } from './side.ts';

const SCRIPT = `
update bare_jobs set state = 'LEASED' where id = (
  select id from bare_jobs where state = 'QUEUED' order by id limit 1 for update skip locked) returning id \\gset
update bare_jobs set state = 'FINISHED' where id = :id;
`.replaceAll(/\(\n\s*/g, '(');

const ROWS = 200_000;

export const openBare = async ({ site }: Bench): Promise<Side> => {
  const pgbench = await openPgbench();
  const { url, ownerUrl, drop } = await site.database('bare');
  const { home, close } = await site.openFarm(url, { lines: [benchLine()], limits: benchLimits });
  // A job to copy.
  await openBacklog(home, ownerUrl);
  await close();
  await ask(ownerUrl, 'create table bare_jobs (like jobs including defaults, primary key (id))');
  await ask(ownerUrl, `create index on bare_jobs (id) where state = 'QUEUED'`);
  await ask(ownerUrl, 'grant select, insert, update, delete on bare_jobs to public');
  const scriptPath = keepScript(site.folder, 'bare', SCRIPT);
  return {
    perSecond: async (seconds) => {
      // Every run from the same start, so that none pays for what another has left behind.
      await ask(ownerUrl, 'truncate bare_jobs');
      await ask(ownerUrl, FILL, [ROWS]);
      await ask(ownerUrl, 'vacuum analyze bare_jobs');
      return pgbench.perSecond({ url, scriptPath, connections: CONNECTIONS, seconds });
    },
    close: drop,
  };
};

const FILL = `
  insert into bare_jobs (id, instance, request_id, state, station, work, requirement_id, priority, attempts_max)
  select n, j.instance, j.request_id, j.state, j.station, j.work, j.requirement_id, j.priority, j.attempts_max
  from (select * from jobs limit 1) j, generate_series(1, $1) n`;
