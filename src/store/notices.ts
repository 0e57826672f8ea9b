/** NOTIFY and LISTEN between replicas: a hint to look, never the truth (ARCHITECTURE, Many replicas). */
import pg from 'pg';
import type { Queryable } from './transaction.ts';

/** All wakes of a farm travel on one channel of its database. */
const CHANNEL = 'stationgrid_wakes';
/** PostgreSQL refuses payloads of 8,000 bytes and more. */
export const NOTICE_BYTES_MAX = 7_900;

export const sendNotice = async (db: Queryable, payload: string): Promise<void> => {
  await db.query('select pg_notify($1, $2)', [CHANNEL, payload]);
};

export type Listening = {
  /** Resolves when the connection is lost or was closed. */
  readonly ended: Promise<void>;
  readonly close: () => Promise<void>;
};

/** How notices travel between the replicas of a farm. Either may reject while the database is away. */
export type Notices = {
  readonly send: (payload: string) => Promise<void>;
  readonly listen: (heard: (payload: string) => void) => Promise<Listening>;
};

/** @param url of a direct connection, without a pooling proxy between. */
export const createNotices = (db: Queryable, url: string, connectMs: number): Notices => ({
  send: (payload) => sendNotice(db, payload),
  listen: (heard) => listenForNotices(url, connectMs, heard),
});

/** Listens on a connection of its own: one in a pool would be handed out, or lost unseen. */
export const listenForNotices = async (
  url: string,
  connectMs: number,
  heard: (payload: string) => void,
): Promise<Listening> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    application_name: 'stationgrid listener',
  });
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve);
    client.on('error', () => {
      // The end follows; without a listener the error would end the process.
    });
  });
  client.on('notification', ({ payload }) => {
    if (payload !== undefined) heard(payload);
  });
  await client.connect();
  await client.query(`listen ${CHANNEL}`).catch(async (error: unknown) => {
    await client.end().catch(() => undefined);
    throw error;
  });
  return { ended, close: () => client.end() };
};
