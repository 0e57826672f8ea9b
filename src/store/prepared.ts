/**
 * Statements with parameters run prepared: PostgreSQL parses and plans each text once a connection, and what differs from
 * call to call is parameters alone (`asJson`), so there are as many texts as places in this folder that ask something.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';

/** PostgreSQL cuts longer ones off at 63. */
const NAME_LENGTH = 32;

const names = new Map<string, string>();

/** Under which a text is prepared, on every connection. */
export const nameOf = (text: string): string => {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = createHash('sha256').update(text).digest('hex').slice(0, NAME_LENGTH);
  names.set(text, name);
  return name;
};

/** pg's own `query` has a signature for each of its ways; this one serves all of them. */
type Send = (asked: unknown, values: unknown, callback: unknown) => never;

/**
 * A connection of the farm's pool. It writes a statement out as soon as it is asked, without waiting for the one before:
 * whoever asks several things that do not need each other's answers gets them in one round trip.
 */
export class PreparingClient extends pg.Client {
  readonly #send = toSend(super.query.bind(this));
  /** Within which one statement is answered, or the network has lost the answer. */
  readonly #answerMs: number;
  #unanswered = 0;

  constructor(config: pg.ClientConfig = {}) {
    super(config);
    this.#answerMs = config.query_timeout ?? 0;
  }

  override query(asked: unknown, values?: unknown, callback?: unknown): never {
    if (typeof asked !== 'string' || !Array.isArray(values)) return this.#send(asked, values, callback);
    // It is answered after those before it, each of which has its own time.
    const query_timeout = this.#answerMs * (this.#unanswered + 1);
    const answer = this.#send({ name: nameOf(asked), text: asked, query_timeout }, values, callback);
    this.#count(answer);
    return answer;
  }

  #count(answer: unknown): void {
    if (!(answer instanceof Promise)) return;
    const heard = (): void => {
      this.#unanswered -= 1;
    };
    this.#unanswered += 1;
    answer.then(heard, heard);
  }
}

function toSend(query: unknown): Send {
  return query as Send;
}
