/** What a route takes and gives, beside what it asks for: read by whoever describes the door to programs. */
import type { z } from 'zod';

export type Shape = {
  /** In a sentence. */
  readonly says: string;
  /** Of the operation, for programs. Left out: as the verb is called. */
  readonly name?: string;
  /** The schema by which the query is read. Left out: none is read. */
  readonly query?: z.ZodObject<Readonly<Record<string, z.ZodType>>>;
  /** So for the body. */
  readonly body?: z.ZodType;
  /** The media type of a body that is taken as it is. Left out: the body is JSON, or there is none. */
  readonly takes?: string;
  readonly gives: Gives;
};

/** The answer when all went well; what may go wrong is the same for all routes. */
export type Gives = {
  readonly status: 200 | 201 | 204;
  /** With 201: what would be made may be there already, which is told by 200 and the same answer. */
  readonly mayBeThere?: true;
  /** By media type; of a stream, what one piece of it is. Empty: an answer without a body. */
  readonly content: Readonly<Record<string, z.ZodType>>;
};

export const JSON_TYPE = 'application/json';
/** One object a line. */
export const JSON_LINES_TYPE = 'application/x-ndjson';
/** Server-Sent Events. */
export const SSE_TYPE = 'text/event-stream';

export const json = (schema: z.ZodType): Gives => ({ status: 200, content: { [JSON_TYPE]: schema } });

/** Something new was made. */
export const made = (schema: z.ZodType): Gives => ({ status: 201, content: { [JSON_TYPE]: schema } });

export const madeOrThere = (schema: z.ZodType): Gives => ({ ...made(schema), mayBeThere: true });

export const nothing: Gives = { status: 204, content: {} };

export const media = (content: Gives['content']): Gives => ({ status: 200, content });
