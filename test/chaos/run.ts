/** One run: everything is started, disturbed for its time, left alone until all is done, stopped, and judged. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { processClock } from '../../src/process-clock.ts';
import { readJournal } from '../../src/reference-shopfloor/journal.ts';
import { createChance } from './chance.ts';
import { disturb, type Silence } from './disturb.ts';
import { type Drained, type Evidence, type HostRecord, readRecords, type RunOptions } from './evidence.ts';
import { readHistory } from './history.ts';
import { faultsInLog } from './logs.ts';
import { type Office, openOffice } from './office.ts';
import { type Kind, planOf } from './plan.ts';
import { exitCodes, type Report, reportOf } from './report.ts';
import { openSite, type Site } from './site.ts';

const LOOK_MS = 500;

export async function run(options: RunOptions): Promise<Report> {
  const { seed, seconds, bots, say, show } = options;
  const plan = planOf(createChance(seed), seconds);
  const site = await openSite({ ...options, chance: createChance(seed + 1) });
  const ending = new AbortController();
  const interrupted = (): void => {
    void site.remove(false).finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const load = watchLoad();
  let keeps = true;
  try {
    await site.partner.start();
    for (const { member } of site.replicas) await member.start();
    await Promise.all(site.hosts.map(({ member }) => member.start()));
    const office = openOffice(site.balancer, createChance(seed + 2), { units: bots, seed });
    const disturbances: Partial<Record<Kind, number>> = {};
    const silences: Silence[] = [];
    const noted = (kind: Kind): void => {
      disturbances[kind] = (disturbances[kind] ?? 0) + 1;
      say(`${((processClock.monotonicMs() - startedMs) / 1_000).toFixed(1)} s  ${kind}`);
    };
    const startedMs = processClock.monotonicMs();
    const watching = watchTime({ startedMs, seconds, show, ending });
    await disturb({ ...site, signal: ending.signal, silences, made: { zombies: 0 }, noted }, plan);
    await watching;
    say(`${seconds.toFixed(1)} s  left alone`);
    const drained = await drain(site, office, options);
    say(drained.ms === null ? `not drained: ${drained.left}` : `drained in ${(drained.ms / 1_000).toFixed(1)} s`);
    await office.stop();
    const evidence = await collect(site, office, { drained, silences, loadPerCore: load.highest() });
    const report = reportOf({ evidence, disturbances }, options);
    keeps = options.keep || report.exitCode === exitCodes.broken;
    return report;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    load.stop();
    await site.remove(keeps);
    if (keeps) say(`Logs, histories, the journal and the records are in ${site.keptFolder}.`);
  }
}

async function watchTime(given: {
  readonly startedMs: number;
  readonly seconds: number;
  readonly show: RunOptions['show'];
  readonly ending: AbortController;
}): Promise<void> {
  const { startedMs, seconds, show, ending } = given;
  for (let gone = 0; gone < seconds; gone = (processClock.monotonicMs() - startedMs) / 1_000) {
    show(gone, 'disturbing');
    await processClock.sleep(Math.min(LOOK_MS, (seconds - gone) * 1_000));
  }
  show(seconds, 'left alone');
  ending.abort();
}

/** Nothing disturbs any more: until every job has ended and every call is settled, or the time is over. */
async function drain(site: Site, office: Office, { drainSeconds, seconds, show }: RunOptions): Promise<Drained> {
  site.postgres.freeDisk();
  await site.postgres.start();
  await Promise.all(site.members.map((member) => member.start()));
  office.close();
  const startedMs = processClock.monotonicMs();
  for (;;) {
    const ms = processClock.monotonicMs() - startedMs;
    const open = office.open();
    const left =
      open === null
        ? 'nobody could be asked'
        : `${open.jobs} jobs and ${open.calls} calls are left, ${open.unsaid} were never taken`;
    show(seconds, left);
    if (open !== null && open.jobs + open.calls + open.unsaid === 0) return { ms, left: '' };
    if (ms > drainSeconds * 1_000) return { ms: null, left };
    await processClock.sleep(LOOK_MS);
  }
}

/** Bots first, so that they say goodbye to a farm that still answers; then what is left is read. */
async function collect(
  site: Site,
  office: Office,
  known: Pick<Evidence, 'drained' | 'silences' | 'loadPerCore'>,
): Promise<Evidence> {
  await Promise.all(site.hosts.map(({ member }) => member.stop()));
  const records = await site.postgres.ask(readRecords);
  writeFileSync(join(site.folder, 'records.json'), JSON.stringify(records));
  await site.balancer.stop();
  await Promise.all(site.replicas.map(({ member }) => member.stop()));
  await site.partner.stop();
  const hosts = site.hosts.map(({ member, history, bots }): HostRecord => ({
    name: member.name,
    bots: bots.map(({ botId }) => botId),
    spans: member.spans(),
    facts: readHistory(history),
  }));
  return {
    ...{ ...known, records, hosts },
    journal: await readJournal(site.journalPath),
    acknowledged: office.acknowledged(),
    faults: site.members.flatMap((member) => [...member.wrong(), ...faultsInLog(member.name, member.logPath)]),
    fencedWrites: site.balancer.fenced(),
  };
}

const LOAD_LOOK_MS = 5_000;

/** How many processes wait for each processor, at the worst, as the system averages it over a minute. */
function watchLoad() {
  let highest = 0;
  const looking = setInterval(() => {
    highest = Math.max(highest, (loadavg()[0] ?? 0) / availableParallelism());
  }, LOAD_LOOK_MS);
  return { highest: () => highest, stop: () => clearInterval(looking) };
}
