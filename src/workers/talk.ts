/** What a primary and its workers say to each other. */
import type { Readiness } from '../core/readiness.ts';

export type WorkerDoors = {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** Null: there is no factory door. */
  readonly factoryUrl: string | null;
};

export type Beginning = {
  /** To serve with. */
  readonly databaseUrl: string;
  /** The data directory, where the database is the embedded one. Null: it is not. */
  readonly embeddedIn: string | null;
};

/** What a worker asks its primary, or tells it. */
export type AskedOfPrimary = {
  /** The first word: what it needs to begin. */
  readonly begin: { readonly about: null; readonly answer: Beginning };
  readonly serving: { readonly about: WorkerDoors; readonly answer: null };
  /** It cannot start, and another try would not mend it. */
  readonly refused: { readonly about: { readonly why: string }; readonly answer: null };
  /** The last word of one that leaves: what it has counted (metrics/exposition.ts, Page). */
  readonly counted: { readonly about: { readonly page: unknown }; readonly answer: null };
  /** For whoever asks at a worker's door and means the host. */
  readonly ready: { readonly about: null; readonly answer: Readiness };
  readonly metrics: { readonly about: { readonly accept: string | null }; readonly answer: string };
};

/** What a primary asks its workers. */
export type AskedOfWorker = {
  readonly alive: { readonly about: null; readonly answer: null };
  readonly ready: { readonly about: null; readonly answer: Readiness };
  readonly page: { readonly about: null; readonly answer: unknown };
  /** Answered at once; it leaves as soon as it can do so in good order. */
  readonly stop: { readonly about: null; readonly answer: null };
};
