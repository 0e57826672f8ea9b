/**
 * What a caller can mend. Every front maps each kind to its own protocol's code in one total table; the words are the
 * same in all of them: what happened, why, how to mend it.
 */
export type RefusalKind =
  /** The request does not say what it should. */
  | 'INVALID'
  /** No such thing here. */
  | 'NOT_FOUND'
  /** The name is taken by something else. */
  | 'ALREADY_EXISTS'
  /** The thing is there, but not in a state that allows this. */
  | 'WRONG_STATE'
  /** A named limit is reached; later, or with less, it may work. */
  | 'LIMIT_REACHED'
  /** The bot session never existed here. */
  | 'SESSION_UNKNOWN'
  /** The bot session was closed: expired, replaced or ended. The bot must create a new one. */
  | 'SESSION_CLOSED'
  /** The farm cannot answer just now and changed nothing. */
  | 'UNAVAILABLE'
  /** This farm is configured not to offer it. */
  | 'NOT_OFFERED'
  /** No credentials, or none that hold. */
  | 'UNAUTHENTICATED'
  /** Known, but not allowed this. */
  | 'FORBIDDEN';

/** A refusal on its way to the caller. `reason` is for programs (UPPER_SNAKE_CASE, stable), `message` for people. */
export class Refusal extends Error {
  readonly kind: RefusalKind;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** When the same may be asked again, in ms; null: the kind decides. */
  readonly retryMs: number | null;

  constructor(
    kind: RefusalKind,
    reason: string,
    message: string,
    metadata: Readonly<Record<string, string>> = {},
    retryMs: number | null = null,
  ) {
    super(message);
    this.name = 'Refusal';
    this.kind = kind;
    this.reason = reason;
    this.metadata = metadata;
    this.retryMs = retryMs;
  }
}

/** Shorthand for the commonest refusal: the request itself is wrong. */
export const invalid = (reason: string, message: string, metadata?: Readonly<Record<string, string>>): Refusal =>
  new Refusal('INVALID', reason, message, metadata);
