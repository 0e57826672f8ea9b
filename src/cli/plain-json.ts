/** The JSON form of messages, where the generated `toJSON` leaves Durations as pairs of numbers. */

/** The fields of our messages that are Durations. */
const DURATIONS: ReadonlySet<string> = new Set([
  'duration',
  'executionTimeout',
  'expiresIn',
  'lostAfter',
  'queueTimeout',
  'timeout',
]);
/** Fields whose keys are somebody else's. */
const OPAQUE: ReadonlySet<string> = new Set(['args', 'data', 'deviceData', 'env', 'facts', 'serials']);

/** Protobuf's JSON mapping: times in RFC 3339, Durations as seconds (`1.5s`), 64-bit numbers as text. */
export const plainJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plainJson);
  if (value instanceof Date) return value.toISOString();
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (OPAQUE.has(key)) return [key, inner];
      return [key, DURATIONS.has(key) && isObject(inner) ? durationJson(inner) : plainJson(inner)];
    }),
  );
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const durationJson = ({ seconds = '0', nanos = 0 }: Readonly<Record<string, unknown>>): string =>
  `${String(Number(seconds) + Number(nanos) / 1e9)}s`;
