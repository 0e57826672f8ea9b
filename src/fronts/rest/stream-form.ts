/** How a stream is written: as lines of JSON, for curl, or as Server-Sent Events, for browsers and proxies. */
import { JSON_LINES_TYPE, SSE_TYPE } from './shape.ts';
import type { Problem } from './problem.ts';

/** What a stream tells, and the cursor that resumes after it. Told null: only where its reader now stands. */
export type Piece = { readonly cursor: string; readonly told: unknown };

export type StreamForm = {
  readonly type: string;
  readonly opening: string;
  /** Empty: of that nothing is said. */
  readonly piece: (piece: Piece) => string;
  /** When nothing has happened for a while. Null: nothing is said. */
  readonly beat: ((cursor: string) => string) | null;
  /** Its status is long gone; so the last piece says why it ends. */
  readonly problem: (problem: Problem) => string;
  /** It has told all there is, and watching again would tell nothing. */
  readonly end: string;
};

export const jsonLines: StreamForm = {
  type: JSON_LINES_TYPE,
  opening: '',
  piece: ({ told }) => (told === null ? '' : `${JSON.stringify(told)}\n`),
  beat: null,
  problem: (problem) => `${JSON.stringify({ problem })}\n`,
  end: '',
};

/** How long a browser waits before it connects again, and brings the last id along. */
const RETRY_MS = 2_000;

/** WHATWG HTML, 9.2. An id alone moves on where the reader would resume, and is no event. */
export const serverSentEvents: StreamForm = {
  type: `${SSE_TYPE}; charset=utf-8`,
  opening: `retry: ${RETRY_MS}\n\n`,
  piece: ({ cursor, told }) =>
    told === null ? `id: ${cursor}\n\n` : `id: ${cursor}\ndata: ${JSON.stringify(told)}\n\n`,
  beat: (cursor) => `: nothing new\n${cursor === '' ? '' : `id: ${cursor}\n`}\n`,
  problem: (problem) => `event: problem\ndata: ${JSON.stringify(problem)}\n\n`,
  end: 'event: end\ndata: {}\n\n',
};

/** As the reader would have it; lines where it does not say. */
export const formFor = (accept: string | undefined): StreamForm =>
  accept?.includes(SSE_TYPE) === true ? serverSentEvents : jsonLines;
