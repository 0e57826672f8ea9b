/**
 * A statement as the simulation sends it: what must be said before it (begin, what time it is) goes out with it and is answered
 * with it, and how its rows look is asked once a text, not once a statement. It is half of what a statement costs here, where
 * most take less time than two processes need to take turns.
 */
import pg from 'pg';

type Answered = (error: Error | null, result: pg.QueryResult) => void;

/** What pg's Query does for its client, and its types do not tell. */
interface Inner {
  name: string;
  _result: Shape;
  _accumulateRows: boolean;
  prepare(connection: Wire): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
  handleReadyForQuery(connection: Wire): void;
}

/** How a result reads rows. */
type Shape = { fields: unknown; _parsers: unknown; _prebuiltEmptyResultObject: unknown };

interface Wire {
  _send(bytes: Buffer): void;
  parse(asked: { readonly text: string; readonly name: string }): void;
  bind(asked: { readonly statement: string; readonly values: readonly unknown[] }): void;
  execute(asked: object): void;
}

const Query = toInner(pg.Query);

/** By the name of the statement; the schema is the same in all databases of a server. */
const shapes = new Map<string, Shape>();

export class Statement extends Query {
  readonly #before: readonly string[];
  #unheard: number;

  /**
   * @param before texts without parameters and rows
   * @param asked a name stands for one text
   */
  constructor(
    before: readonly string[],
    asked: { readonly name: string; readonly text: string; readonly values: readonly unknown[] },
    answered: Answered,
  ) {
    super(asked.text, [...asked.values], answered);
    this.name = asked.name;
    this.#before = before;
    this.#unheard = before.length;
  }

  override prepare(connection: Wire): void {
    const shape = shapes.get(this.name);
    const messages: Buffer[] = [];
    const gathering = gather(connection, messages, shape !== undefined);
    for (const text of this.#before) {
      gathering.parse({ text, name: '' });
      gathering.bind({ statement: '', values: [] });
      gathering.execute({});
    }
    if (shape !== undefined) {
      this._result.fields = shape.fields;
      this._result._parsers = shape._parsers;
      this._result._prebuiltEmptyResultObject = shape._prebuiltEmptyResultObject;
      this._accumulateRows = true;
    }
    super.prepare(gathering);
    connection._send(Buffer.concat(messages));
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.#unheard > 0) this.#unheard -= 1;
    else super.handleCommandComplete(message, connection);
  }

  override handleReadyForQuery(connection: Wire): void {
    if (!shapes.has(this.name)) {
      const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
      shapes.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
    }
    super.handleReadyForQuery(connection);
  }
}

/** The same connection, but what it would send is kept; and it asks for no description where that is known. */
const gather = (connection: Wire, messages: Buffer[], isDescribed: boolean): Wire =>
  toWire(
    Object.create(connection, {
      _send: { value: (bytes: Buffer) => void messages.push(bytes) },
      ...(isDescribed ? { describe: { value: () => undefined } } : {}),
    }),
  );

function toWire(made: unknown): Wire {
  return made as Wire;
}

function toInner(query: unknown): new (text: string, values: unknown[], answered: Answered) => pg.Query & Inner {
  return query as new (text: string, values: unknown[], answered: Answered) => pg.Query & Inner;
}
