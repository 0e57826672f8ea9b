/** Single replicas: one with its certificate, disk, and way to the database; one too narrow for what is asked of it. */
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { addressOf, type Stage } from './stage.ts';
import { LINE } from '../../support/farm-door.ts';

/** Of a disk with more room than this no configuration can say that it is full. */
const { bavail, bsize } = await statfs(tmpdir());
const isHugeDisk = bavail * bsize >= 2 ** 40;

/** Alerts that cannot be had on this machine. */
export const notOnThisMachine: readonly string[] = isHugeDisk ? ['StationGridUploadsDiskFull'] : [];

export const replica = async ({ second, fires, ends }: Stage): Promise<void> => {
  await fires('StationGridCertificateExpires', { severity: 'critical', instance: second.opsAddress });
  if (!isHugeDisk) await fires('StationGridUploadsDiskFull', { severity: 'critical' });
  second.renewCertificate();
  second.cutDatabase();
  await ends('StationGridCertificateExpires');
  await fires('StationGridDatabaseAway', { instance: second.opsAddress });
  second.mendDatabase();
  await ends('StationGridDatabaseAway');
  await second.kill();
  await fires('StationGridReplicaDown', { instance: second.opsAddress });
  await second.start({ uploadsFreeBytesMin: '1 MiB' });
  await ends('StationGridReplicaDown');
  if (!isHugeDisk) await ends('StationGridUploadsDiskFull', { severity: 'critical' });
};

export const narrowReplica = async (stage: Stage): Promise<void> => {
  await pool(stage);
  await eventLoop(stage);
};

/** So many that most of them wait for a connection of its pool. */
const CALLERS = 24;

/** Somebody has a table locked, and everybody asks for what is in it. */
const pool = ({ site, door, narrow, fires, ends }: Stage): Promise<void> =>
  site.database(async (db) => {
    const { id } = await door.enqueue({ station: 'SMT', board: 'NOBODY' });
    const results = `${narrow.httpUrl}/api/v1/instances/${LINE}/jobs/${id}/results`;
    const enough = new AbortController();
    const ask = async (): Promise<void> => {
      // Whoever is turned away for the lock, or for want of a connection, asks again at once.
      while (!enough.signal.aborted) await (await fetch(results)).text();
    };
    await db.query('begin; lock table result_notes in access exclusive mode');
    const asking = Promise.all(Array.from({ length: CALLERS }, ask));
    try {
      await fires('StationGridPoolSaturated', { instance: addressOf(narrow) });
    } finally {
      await db.query('rollback');
      enough.abort();
      await asking;
    }
    await ends('StationGridPoolSaturated');
  });

/** Over the quarter of a second that is late, and short enough for a scrape to be answered in time. */
const LATE_MS = 400;

/** The process gets no turn for a while, then one, and so on, as on a machine that has no time for it. */
const eventLoop = async ({ narrow, fires, ends }: Stage): Promise<void> => {
  const enough = new AbortController();
  const starve = async (): Promise<void> => {
    while (!enough.signal.aborted) {
      narrow.send('SIGSTOP');
      // The lateness itself: nothing is waited for.
      await setTimeout(LATE_MS);
      narrow.send('SIGCONT');
      await (await fetch(`${narrow.httpUrl}/livez`)).text();
    }
  };
  const starving = starve();
  try {
    await fires('StationGridEventLoopLag', { instance: addressOf(narrow) });
  } finally {
    enough.abort();
    await starving;
  }
  await ends('StationGridEventLoopLag', { instance: addressOf(narrow) });
};
