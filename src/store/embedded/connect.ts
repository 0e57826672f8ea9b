import pg from 'pg';
import { CannotStart } from '../../core/cannot-start.ts';
import { sqlState } from '../transaction.ts';
import { SOCKET_PORT } from './folder.ts';

const CONNECT_TIMEOUT_MS = 2_000;

export type Connection =
  | {
      readonly kind: 'connected';
      readonly client: pg.Client;
      /** Resolves when the connection is over, whoever ended it. */
      readonly ended: Promise<void>;
    }
  /** Nobody listens. */
  | { readonly kind: 'absent' }
  /** Somebody listens who cannot answer yet, or is just leaving. */
  | { readonly kind: 'busy'; readonly why: string };

/** The URL of a database behind a socket in a folder, in the form that pg and libpq both read. */
export function socketUrl(socketFolder: string, { user, database }: { user: string; database: string }): string {
  // Said aloud, because pg would obey a PGSSLMODE of the environment, and a socket has no TLS.
  return `postgresql://${user}@${encodeURIComponent(socketFolder)}:${SOCKET_PORT}/${database}?sslmode=disable`;
}

/** @throws CannotStart when the socket is another user's. */
export async function tryConnect(url: string): Promise<Connection> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'stationgrid embedded',
  });
  // Without a listener here a lost connection's `error` would end the process.
  client.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  try {
    await client.connect();
    return { kind: 'connected', client, ended };
  } catch (error) {
    await client.end().catch(() => undefined);
    const code = sqlState(error);
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return { kind: 'absent' };
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CannotStart(
        `The embedded PostgreSQL at ${url} belongs to another user. Run as that user, or choose another --data.`,
        { cause: error },
      );
    }
    return { kind: 'busy', why: error instanceof Error ? error.message : String(error) };
  }
}

/** Whether the connection broke, as against a statement that failed: the server is leaving, or has left. */
export function isLost(error: unknown): boolean {
  // 57P01 to 57P05 end a session. What Node and pg say of a broken socket is no SQLSTATE: five characters, some of them
  // digits, which EPIPE has not.
  const code = sqlState(error);
  return code === null || !/^(?=.*\d)[0-9A-Z]{5}$/.test(code) || code.startsWith('57P');
}
