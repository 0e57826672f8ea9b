/**
 * Statements with parameters run prepared: PostgreSQL parses and plans each text once a connection, and what differs from
 * call to call is parameters alone (`asJson`), so there are as many texts as places in this folder that ask something.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';

const names = new Map<string, string>();

/** Under which a text is prepared, on every connection. */
export const nameOf = (text: string): string => {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = createHash('md5').update(text).digest('hex');
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

  override query(asked: unknown, values?: unknown, callback?: unknown): never {
    if (typeof asked !== 'string' || !Array.isArray(values)) return this.#send(asked, values, callback);
    return this.#send({ name: nameOf(asked), text: asked }, values, callback);
  }
}

function toSend(query: unknown): Send {
  return query as Send;
}
