/**
 * A failover that loses the last moments, with real servers: a standby falls behind, its primary burns, the standby is
 * promoted and takes its place. The farm lives through it in one process.
 */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type Job, JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import {
  type Call,
  CallState,
  ListReconciliationRequest,
  ResumeBridgeRequest,
  ShopfloorService,
} from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';
import { runDoctor } from '../../src/store/doctor.ts';
import { type DebianServer, openDebianPostgres } from '../support/debian-postgres.ts';
import { LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite } from '../support/farm-site.ts';

/** Fetching Debian's packages included. */
const TIMEOUT_MS = 600_000;
const DATABASE = 'stationgrid';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test(
  'a farm that wakes up on a promoted standby says nothing to the shopfloor until it is told to',
  { timeout: TIMEOUT_MS },
  async (context) => {
    const debian = await openDebianPostgres();
    if ('skip' in debian) return context.skip(debian.skip);
    undo.push(debian.close);
    const [primary, standby] = [debian.server('primary'), debian.server('standby')];
    await primary.found();
    await primary.start();
    await primary.query(`create database ${DATABASE}`);
    await debian.tool('pg_basebackup', [
      '-D',
      standby.data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '-d',
      primary.url('postgres'),
    ]);
    await standby.start();
    // Where the farm looks for its database, whichever server that is: as a name in DNS would be.
    const place = join(debian.folder, 'place');
    symlinkSync(primary.sockets, place);
    const databaseUrl = primary.url(DATABASE).replace(encodeURIComponent(primary.sockets), encodeURIComponent(place));

    const site = await openSite({
      lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: [{ name: 'FAT' }] }],
    });
    undo.push(site.close);
    await site.shopfloor().start();
    const farm = await site.farm('farm', { set: [`databaseUrl=${databaseUrl}`] });
    await farm.start();
    const door = openFarmDoor(farm);
    undo.push(door.close);
    await site.bot('bot-a', farm, ['--instance', LINE, '--serial', 'mlb_serial_number=A']).start();
    const pass = async (): Promise<Job> => {
      const { id } = await door.enqueue({ station: 'FAT', board: 'A' });
      return door.jobIn(id, JobState.FINISHED);
    };
    await pass();
    const kept = await door.settledCalls();

    await fallBehind(primary, standby);
    const lost = await pass();
    const told = (await door.settledCalls()).length;
    expect(told).toBe(kept.length + 3);
    await primary.kill();
    await standby.promote();
    rmSync(place);
    symlinkSync(standby.sockets, place);

    await eventually(async () => {
      expect(await (await fetch(`${farm.httpUrl}/metrics`)).text()).toContain(
        `stationgrid_bridge_paused{instance="${LINE}"} 1`,
      );
    });
    // The bot's lease and the job of then are gone; what is enqueued now has a number that was never given away.
    const anew = await pass();
    expect(anew.id).toBeGreaterThan(lost.id + 900_000n);
    const { restore, entries } = await door.ask(
      ShopfloorService.listReconciliation,
      ListReconciliationRequest.create({ instance: LINE }),
    );
    expect(restore?.cause).toBe('PROMOTED');
    expect(entries).toMatchObject([
      { cause: 'OWED', owed: 3n, lastTold: { id: idsOf(kept).at(-1), method: 'NotifyEnd' } },
    ]);
    expect(applied(await site.journal())).toHaveLength(told);

    await door.ask(ShopfloorService.resumeBridge, ResumeBridgeRequest.create({ instance: LINE, reason: 'compared' }));
    const calls = await door.settledCalls();
    const journal = await site.journal();
    const known = new Set(idsOf(calls));
    expect(applied(journal).filter((key) => known.has(key))).toEqual(idsOf(calls));
    // The partner knows one attempt more than the farm does: that of the lost moments.
    expect(applied(journal)).toHaveLength(calls.length + 3);
    expect(checkJournal(journal)).toMatchObject({ orderViolations: [], openAttempts: [], duplicates: [] });
    const db = new pg.Client(databaseUrl);
    await db.connect();
    expect(await runDoctor(db).finally(() => db.end())).toEqual([]);
  },
);

/** The standby has all that was committed until now, and gets nothing of what comes. */
async function fallBehind(primary: DebianServer, standby: DebianServer): Promise<void> {
  const [{ lsn } = {}] = await primary.query('select pg_current_wal_lsn() as lsn');
  await eventually(async () => {
    const [{ reached } = {}] = await standby.query(`select pg_last_wal_replay_lsn() >= '${String(lsn)}' as reached`);
    expect(reached).toBe(true);
  });
  await standby.query(`alter system set primary_conninfo = ''`);
  await standby.query('select pg_reload_conf()');
  await eventually(async () => {
    expect(await primary.query('select pid from pg_stat_replication')).toEqual([]);
  });
}

/** The keys of what the partner took in, repeats left out. */
function applied(journal: readonly JournalLine[]): readonly string[] {
  return journal.flatMap(({ outcome, key }) => (outcome === 'applied' ? [key ?? ''] : []));
}

/** Of delivered calls, in the order of their lane. */
function idsOf(calls: readonly Call[]): readonly string[] {
  return calls
    .filter(({ state }) => state === CallState.DELIVERED)
    .sort((a, b) => Number(a.position - b.position))
    .map(({ id }) => id);
}
