/** Who leads a farm: one lock of its database, held by a session that the server ends when its process falls silent. */
import pg from 'pg';

/** Stands for leadership, in the database of its farm. */
export type Candidacy = {
  /** Whether this session has the lock now. Not asked of one that has it: PostgreSQL would count, and unlock as often. */
  readonly claim: () => Promise<boolean>;
  /** Shows the server that the process lives. Answered: the session is there, and so is what it holds. */
  readonly speak: () => Promise<void>;
  /** Aborts when the connection is gone, and the lock with it. */
  readonly ended: AbortSignal;
  /** When this resolves another session may have the lock. */
  readonly close: () => Promise<void>;
};

/** May reject while the database is away. */
export type Stand = () => Promise<Candidacy>;

export type StandParts = {
  /** Of a direct connection, without a pooling proxy between. */
  readonly url: string;
  /** Shown as `application_name`, so that `pg_stat_activity` says who leads. */
  readonly replica: string;
  readonly connectMs: number;
  /** The server ends the session when it has heard nothing for this long: of a process that is stopped, of a host that is gone. */
  readonly silentMs: number;
  /** An answer that takes longer is one of a database that cannot be reached. */
  readonly answerMs: number;
};

const LOCK = `hashtextextended('leadership', 0)`;

export const createStand =
  ({ url, replica, connectMs, silentMs, answerMs }: StandParts): Stand =>
  async () => {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: connectMs,
      query_timeout: answerMs,
      application_name: `stationgrid leadership ${replica}`,
    });
    const ended = new AbortController();
    client.once('end', () => {
      ended.abort();
    });
    client.on('error', () => {
      // The end follows; without a listener the error would end the process.
    });
    await client.connect();
    const close = async (): Promise<void> => {
      // By its own answer, since nobody is told when the server has seen the connection close. A server that does not
      // answer is not said goodbye to either: pg drops a connection with a question under way.
      await client.query('select pg_advisory_unlock_all()').catch(() => undefined);
      await client.end();
    };
    try {
      await client.query(`select set_config('idle_session_timeout', $1, false)`, [String(Math.ceil(silentMs))]);
    } catch (error) {
      await close();
      throw error;
    }
    return {
      claim: async () => {
        const { rows } = await client.query<{ leads: boolean }>(`select pg_try_advisory_lock(${LOCK}) as leads`);
        return rows[0]?.leads === true;
      },
      speak: async () => {
        await client.query('select');
      },
      ended: ended.signal,
      close,
    };
  };
