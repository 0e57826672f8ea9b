/** Telling a database that is not there from a statement that is wrong. */
import { sqlState } from './transaction.ts';

/** SQLSTATE classes of a server that is going, full or not to be reached: connection, resources, operator. */
const OUTAGE_CLASSES: ReadonlySet<string> = new Set(['08', '53', '57', '58']);
/** A statement that took too long (57014) is that statement's own trouble. */
const QUERY_CANCELLED = '57014';
const SOCKET_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What pg says, without a code, when a connection ends or cannot be had in time. */
const PG_WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/;

/** Every other statement would meet the same error now; later it may pass. */
export const isOutage = (error: unknown): boolean => {
  const code = sqlState(error);
  if (code === null) return error instanceof Error && PG_WORDS.test(error.message);
  return (
    SOCKET_CODES.has(code) || (code.length === 5 && code !== QUERY_CANCELLED && OUTAGE_CLASSES.has(code.slice(0, 2)))
  );
};
