/** Bots that fall silent, work that nobody can do or nobody is given, and units that begin to fail. */
import { expect } from 'vitest';
import { JobState } from '../../../src/gen/stationgrid/v1/jobs.ts';
import { type JobToRun, LINE } from '../../support/farm-door.ts';
import { eventually } from '../../support/farm-site.ts';
import type { Stage } from './stage.ts';

const labels = { exported_instance: LINE };

const forRack = (rack: string) => ({ constraints: [{ key: 'rack', allowedValues: [rack] }] });
const workFor = (rack: string): JobToRun => ({
  station: '',
  ...forRack(rack),
  payload: { typeUrl: 'type.example.com/rack.Work', value: Buffer.from('spin') },
});

/** More than a tenth of the bots, and more leases than one in twenty of those that everybody together is granted. */
const SILENT = 7;

/** One after the other: who is to wait for bots of his own is not to wait for the machine, nor among many who need not wait. */
export const bots = async (stage: Stage): Promise<void> => {
  await rack(stage);
  await queue(stage);
  await yieldDrop(stage);
};

/** Bots take work and fall silent; then nobody is left who could do it, until one joins. */
const rack = async ({ crew, door, fires, ends }: Stage): Promise<void> => {
  const work = Array.from({ length: SILENT }, () => workFor('1'));
  await crew.vanish(SILENT, { rack: '1' }, () => Promise.all(work.map((job) => door.enqueue(job))));
  await fires('StationGridBotsLost', labels);
  await fires('StationGridLeaseExpiries', labels);
  await fires('StationGridNoBotForStation', labels);
  const bot = await crew.join({ rack: '1' });
  await ends('StationGridNoBotForStation');
  await ends('StationGridBotsLost');
  await ends('StationGridLeaseExpiries');
  await bot.leave();
};

/** Work that waits beside an idle bot, which is told from work that waits for one. */
const queue = async ({ site, crew, door, fires, ends }: Stage): Promise<void> => {
  const jobs = await door.enqueueAll(Array.from({ length: 25 }, () => workFor('2')));
  await site.database(async (db) => {
    // Somebody's transaction has the jobs: whoever looks for work finds them taken.
    await db.query('begin');
    await db.query('select from jobs where id = any($1::bigint[]) for update', [jobs.map(({ id }) => String(id))]);
    const bot = await crew.join({ rack: '2' }, 25);
    await fires('StationGridQueueStuck', labels);
    await db.query('rollback');
    await ends('StationGridQueueStuck');
    await fires('StationGridAssignmentSlow', labels);
    await bot.leave();
  });
  await ends('StationGridAssignmentSlow');
};

/** From twenty of an hour on the yield is judged, and so many are still a good part of a day that begins to go wrong. */
const GOOD_UNITS = 60;
/** Few, and slow ones, so that good ones remain a part of the day. */
const BAD_UNITS = 10;
const BAD_MS = 1_500;

/** A station that passed everything passes nothing any more; then nothing goes through it that could be judged. */
const yieldDrop = async ({ site, farm, door, prometheus, fires, ends }: Stage): Promise<void> => {
  await site.bot('bot-mic', farm, ['--instance', LINE, '--property', 'rack=3', '--capacity', '5']).start();
  const run = async (units: number, test: Pick<JobToRun, 'ms' | 'outcome'>): Promise<void> => {
    const jobs = await door.enqueueAll(
      Array.from({ length: units }, () => ({ station: 'MIC', ...forRack('3'), ...test })),
    );
    await Promise.all(jobs.map(({ id }) => door.jobIn(id, JobState.FINISHED)));
  };
  await run(GOOD_UNITS, { ms: 1, outcome: 'PASSED' });
  // The good ones have been scraped: what follows is told from them.
  await eventually(async () => {
    const [finished] = await prometheus.query('stationgrid:finished:increase1h{station="MIC"} >= 20');
    expect(finished).toBeDefined();
  });
  // For as long as it takes: the good ones are to be gone from the hour that is looked at, and enough of the bad ones in it.
  const fired = new AbortController();
  const failing = (async () => {
    while (!fired.signal.aborted) await run(BAD_UNITS, { ms: BAD_MS, outcome: 'FAILED' });
  })();
  await fires('StationGridYieldDrop', { ...labels, station: 'MIC' }).finally(() => {
    fired.abort();
  });
  await failing;
  await ends('StationGridYieldDrop');
};
