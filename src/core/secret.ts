/**
 * Something that must not be shown: a password, a key, a URL that holds one. Whatever prints it, joins it into a text,
 * writes it as JSON or logs it gets `***`. It is revealed at the one place that uses it.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  /** What `console.log` and `util.inspect` ask for. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN;
  }
}

export const HIDDEN = '***';

/** Whether a URL carries a password, as its user's or, as PostgreSQL's may, among its parameters. */
export const holdsPassword = (url: string): boolean =>
  /^[^/]*\/\/[^/?#]*:[^/?#]+@/.test(url) || /[?&](ssl)?password=/i.test(url);

/**
 * The same address without user and password: for people, logs and as a name. What is no URL has nothing to show. A
 * shopfloor's may have prefixes, as in `jsonrpc:http://user:password@host/`.
 */
export const withoutCredentials = (url: string): string =>
  URL.canParse(url) ? url.replace(/^([^/?#]*\/\/)[^/?#]*@/, '$1') : HIDDEN;
