/**
 * The log: JSON lines on standard error for programs, one plain line for people. Secrets and registration codes never
 * reach it, wherever they stand in what is logged.
 */
import { pino } from 'pino';
import { HIDDEN, Secret } from './core/secret.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;
type Write = (fields: LogFields, message: string) => void;

/** What the rooms of the house log with. Fields carry the ids (botId, leaseId, …); an error goes under `err`. */
export type Log = Readonly<Record<LogLevel, Write>> & {
  /** The same log, with these fields on every line. */
  readonly child: (ids: LogFields) => Log;
};

/** Where lines go: standard error, or what a test reads. */
export type LogStream = { readonly write: (line: string) => unknown; readonly isTTY?: boolean };

/** `auto`: pretty on a terminal, JSON elsewhere. */
export const createLog = (
  { level, format }: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'pretty' },
  stream: LogStream = process.stderr,
): Log => {
  const isTerminal = stream.isTTY === true;
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal);
  const destination = isPretty ? { write: (line: string) => stream.write(prettyLine(line, isTerminal)) } : stream;
  return logOver(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        // Errors are plain by now; pino would take them for its own and fold the cause into the words.
        serializers: { err: (cleaned: unknown) => cleaned },
      },
      { write: (line: string) => void destination.write(line) },
    ),
    level,
  );
};

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

const logOver = (lines: pino.Logger, least: LogLevel): Log => {
  // A line that is not written is not cleaned either: debug lines stand on the hot path.
  const writer = (level: LogLevel): Write =>
    levels.indexOf(level) < levels.indexOf(least)
      ? () => undefined
      : (fields, message) => lines[level](clean(fields), cleanText(message));
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    child: (ids) => logOver(lines.child(toFields(clean(ids))), least),
  };
};

const DEPTH_MAX = 8;
const ENTRIES_MAX = 200;
const TEXT_MAX = 8192;

/** By the last part of a dotted key: `vpd.rw.ubind_attribute` is a registration code wherever it stands. */
const SECRET_KEY =
  /(^|[._-])([ug]bind_attribute|stable_device_secret_DO_NOT_SHARE|authorization|cookie)$|password|passphrase|secret|(^|access|bearer|auth|refresh)[._-]?token$|(api|private)[._-]?key$|^databaseUrl$/i;

/** Credentials inside a URL, and registration codes by their form: 72 hex digits, or `=` and base64url. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, `$1${HIDDEN}@`],
  [/\b[0-9a-f]{72}\b/gi, HIDDEN],
  [/(?<![\w=])=[\w-]{40,}={0,2}/g, HIDDEN],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{16,}/gi, `$1 ${HIDDEN}`],
];

const cleanText = (text: string): string => {
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${String(text.length)} characters)` : text;
  return SECRET_TEXTS.reduce((cleaned, [form, instead]) => cleaned.replace(form, instead), short);
};

/** A copy fit for a log line: secrets hidden, depth and size bounded, errors, maps and big numbers made readable. */
const clean = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '…';
  if (value instanceof Error) return cleanError(value, depth);
  if (value instanceof Date) return value;
  if (value instanceof Secret) return HIDDEN;
  if (ArrayBuffer.isView(value)) return `${String(value.byteLength)} bytes`;
  if (Array.isArray(value) || value instanceof Set)
    return [...value].slice(0, ENTRIES_MAX).map((element) => clean(element, depth + 1));
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  return Object.fromEntries(
    entries
      .slice(0, ENTRIES_MAX)
      .map(([key, inner]: [unknown, unknown]) => [
        String(key),
        SECRET_KEY.test(String(key)) ? HIDDEN : clean(inner, depth + 1),
      ]),
  );
};

/** Name, words, stack and cause, with what libraries hang on their errors (code, detail, …). */
const cleanError = (error: Error, depth: number): unknown => ({
  ...toFields(clean(Object.fromEntries(Object.entries(error)), depth)),
  type: error.name,
  message: cleanText(error.message),
  stack: cleanText(error.stack ?? ''),
  ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth + 1) }),
});

function toFields(cleaned: unknown): LogFields {
  return typeof cleaned === 'object' && cleaned !== null ? (cleaned as LogFields) : {};
}

const colours: Readonly<Record<string, string>> = { debug: '90', info: '32', warn: '33', error: '31' };

/** `12:03:04.123 WARN  the words  botId=bot-3`, in the machine's own time; a stack follows on lines of its own. */
const prettyLine = (json: string, isColoured: boolean): string => {
  const { level, time, msg, err, ...fields } = toFields(JSON.parse(json));
  const at = new Date(String(time));
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  const name = String(level).toUpperCase().padEnd(5);
  const paint = (text: string, colour: string): string => (isColoured ? `\u001b[${colour}m${text}\u001b[0m` : text);
  const { message = '', stack = '', ...rest } = toFields(err);
  const ids = Object.entries({ ...fields, ...(err === undefined ? {} : { err: message, ...rest }) })
    .map(([key, value]) => `${key}=${plainValue(value)}`)
    .join(' ');
  const head = `${clock}.${String(at.getMilliseconds()).padStart(3, '0')} ${paint(name, colours[String(level)] ?? '0')}`;
  const trace = stack === '' ? '' : `\n${paint(String(stack).split('\n').map(printable).join('\n'), '90')}`;
  return `${head} ${printable(String(msg))}${ids === '' ? '' : `  ${paint(ids, '90')}`}${trace}\n`;
};

const plainValue = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=\p{Cc}]+$/u.test(value) ? value : printable(JSON.stringify(value));

/** What a bot sends must not steer the terminal of who reads the log, nor begin a line of its own. */
const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029]/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
