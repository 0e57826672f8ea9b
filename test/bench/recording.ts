/** What the farm sends to PostgreSQL, statement by statement, as it is sent: by what the baseline of the store is made. */
import type pg from 'pg';

export type Sent = {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Sent before the one before it on its connection was answered. */
  readonly isPipelined: boolean;
  /** Filled when it is answered. */
  rows: readonly Readonly<Record<string, unknown>>[];
};

export type Recorder = {
  /** Everything that the pool's connections send while `work` runs, in the order of sending. */
  readonly record: (work: () => Promise<void>) => Promise<readonly Sent[]>;
};

/** Listens on the connections of the pool from now on. Whichever way a statement is asked, it is one of these calls. */
export const createRecorder = (pool: pg.Pool): Recorder => {
  let recording: Sent[] | null = null;
  const heard = new WeakSet<pg.PoolClient>();
  pool.on('acquire', (client) => {
    if (heard.has(client)) return;
    heard.add(client);
    let unanswered = 0;
    const send = toAsk(client.query.bind(client));
    const listening = (...asked: unknown[]): unknown => {
      if (recording === null) return send(...asked);
      const sent: Sent = { ...toStatement(asked), isPipelined: unanswered > 0, rows: [] };
      recording.push(sent);
      unanswered += 1;
      const hear = (result: unknown): void => {
        unanswered -= 1;
        sent.rows = toRows(result);
      };
      const last = asked.at(-1);
      if (typeof last === 'function') {
        const tell = toAsk(last);
        return send(...asked.slice(0, -1), (error: unknown, result: unknown) => {
          hear(result);
          tell(error, result);
        });
      }
      const answer = send(...asked);
      if (answer instanceof Promise) answer.then(hear, hear);
      return answer;
    };
    Object.assign(client, { query: listening });
  });
  return {
    record: async (work) => {
      const sent: Sent[] = [];
      recording = sent;
      await work().finally(() => {
        recording = null;
      });
      return sent;
    },
  };
};

type Ask = (...asked: readonly unknown[]) => unknown;

function toAsk(query: unknown): Ask {
  return query as Ask;
}

/** pg takes a text, a text with values, or one object with both. */
function toStatement(asked: readonly unknown[]): { text: string; values: readonly unknown[] } {
  const [first, second] = asked;
  if (typeof first === 'string') return { text: first, values: Array.isArray(second) ? second : [] };
  if (typeof first !== 'object' || first === null || !('text' in first) || typeof first.text !== 'string') {
    throw new Error('a statement was sent in a way that the bench does not know');
  }
  const values: unknown = 'values' in first ? first.values : second;
  return { text: first.text, values: Array.isArray(values) ? values : [] };
}

function toRows(result: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (typeof result !== 'object' || result === null || !('rows' in result) || !Array.isArray(result.rows)) return [];
  return result.rows as Record<string, unknown>[];
}
