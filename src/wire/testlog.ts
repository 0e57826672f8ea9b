/** The events of Testlog, API version 0.21, as DUT software writes them; older versions are upgraded first. */
import { z } from 'zod';
import { CURRENT, upgradeTestlog } from './upgrade-testlog.ts';

const text = z.string();
/** JSON has one kind of number; an integer does where a fraction may stand. */
const number = z.number();

const EMPTY = 'is empty; leave it out';

const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** No test has so many parameters, and no event so many keys. */
const KEYS_MAX = 10_000;
const tooMany = (keys: number): string => `has ${keys} keys; at most ${KEYS_MAX} are read`;

const filled = <T extends z.ZodType>(values: T) =>
  z
    .custom<Readonly<Record<string, unknown>>>(isRecord, 'Invalid input: expected an object')
    .transform((record, context): Record<string, z.output<T>> => {
      const keys = Object.keys(record).length;
      if (keys === 0 || keys > KEYS_MAX) {
        context.addIssue({ code: 'custom', message: keys === 0 ? EMPTY : tooMany(keys) });
        return z.NEVER;
      }
      const read = readEach(values, Object.entries(record), context);
      return read === null ? z.NEVER : Object.fromEntries(read);
    });
const listed = <T extends z.ZodType>(values: T) =>
  z
    .array(z.unknown())
    .min(1, EMPTY)
    .transform((list, context): z.output<T>[] => {
      const read = readEach(values, list.entries(), context);
      return read === null ? z.NEVER : read.map(([, value]) => value);
    });

/** Keys that it says there are none of. */
const keysUnknownTo = (issue: z.core.$ZodIssue): readonly unknown[] => {
  if (issue.code === 'unrecognized_keys') return issue.keys;
  const keys: unknown = issue.code === 'custom' ? issue.params?.['keys'] : null;
  return Array.isArray(keys) ? keys : [];
};

/** The first that is wrong ends it: an event has room for a million, and each would be told at length. */
const readEach = <K extends string | number, T extends z.ZodType>(
  values: T,
  entries: Iterable<readonly [K, unknown]>,
  context: z.RefinementCtx,
): (readonly [K, z.output<T>])[] | null => {
  const read: (readonly [K, z.output<T>])[] = [];
  for (const [key, value] of entries) {
    const one = values.safeParse(value);
    if (!one.success) {
      for (const issue of one.error.issues) {
        const params = { keys: keysUnknownTo(issue) };
        context.addIssue({ code: 'custom', message: issue.message, path: [key, ...issue.path], params });
      }
      return null;
    }
    read.push([key, one.data]);
  }
  return read;
};

const common = {
  uuid: text.min(1, 'is empty'),
  apiVersion: z.literal(CURRENT, `is neither ${CURRENT} nor 0.2 nor 0.1`),
  time: number,
  seq: z.int().optional(),
  dutDeviceId: text.optional(),
  stationDeviceId: text.optional(),
  stationInstallationId: text.optional(),
};

const outcome = z.enum(['PASS', 'FAIL']);

const measurement = z.strictObject({
  status: outcome.optional(),
  numericValue: number.optional(),
  expectedMinimum: number.optional(),
  expectedMaximum: number.optional(),
  textValue: text.optional(),
  expectedRegex: text.optional(),
  serializedValue: text.optional(),
});

const parameter = z.strictObject({
  description: text.optional(),
  group: text.optional(),
  valueUnit: text.optional(),
  type: z.enum(['argument', 'measurement']),
  data: listed(measurement),
});

/** Those of one group are the columns of a table. */
const parameters = filled(parameter).superRefine((all, context) => {
  const rows = new Map<string, number>();
  for (const [name, { group, data }] of Object.entries(all)) {
    if (group === undefined) continue;
    const expected = rows.get(group) ?? data.length;
    rows.set(group, expected);
    if (data.length !== expected)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `has ${data.length} values, and others of its group ${JSON.stringify(group)} have ${expected}`,
      });
  }
});

const serialNumbers = filled(text.nullable());

const testRun = z
  .strictObject({
    type: z.literal('station.test_run'),
    ...common,
    testRunId: text.min(1, 'is empty'),
    testName: text.min(1, 'is empty'),
    testType: text,
    status: z.enum(['STARTING', 'RUNNING', 'PASS', 'FAIL', 'UNKNOWN']),
    startTime: number,
    endTime: number.optional(),
    duration: number.optional(),
    operatorId: text.optional(),
    filePath: text.optional(),
    serialNumbers: serialNumbers.optional(),
    arguments: filled(z.strictObject({ value: text, description: text.optional() })).optional(),
    parameters: parameters.optional(),
    failures: listed(z.strictObject({ code: text, details: text })).optional(),
    attachments: filled(
      z.strictObject({
        path: text,
        mimeType: text.regex(/^[^/\s]+\/[^/\s]+$/, 'is not of the form type/subtype'),
        description: text.optional(),
      }),
    ).optional(),
  })
  .refine(({ attachments, serialNumbers: serials }) => attachments === undefined || serials !== undefined, {
    path: ['serialNumbers'],
    message: 'is missing, and attachments need it',
  });

const station = z.discriminatedUnion('type', [
  testRun,
  z.strictObject({
    type: z.literal('station.status'),
    ...common,
    filePath: text.optional(),
    serialNumbers: serialNumbers.optional(),
    parameters: parameters.optional(),
  }),
  z.strictObject({
    type: z.literal('station.init'),
    ...common,
    count: z.int(),
    success: z.boolean(),
    failureMessage: text.optional(),
  }),
  z.strictObject({
    type: z.literal('station.message'),
    ...common,
    message: text,
    filePath: text.optional(),
    lineNumber: z.int().optional(),
    functionName: text.optional(),
    logLevel: z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']).optional(),
    testRunId: text.optional(),
  }),
]);

export type TestlogEvent = z.output<typeof station>;
export type TestRun = Extract<TestlogEvent, { type: 'station.test_run' }>;

export type TestlogRead =
  { readonly kind: 'event'; readonly event: TestlogEvent } | { readonly kind: 'bad'; readonly why: string };

/** So much of what is wrong is told. */
const ISSUES_MAX = 5;

export const readTestlog = (payload: Readonly<Record<string, unknown>>): TestlogRead => {
  const keys = Object.keys(payload).length;
  if (keys > KEYS_MAX) return bad([`\`the event\` ${tooMany(keys)}`]);
  const read = station.safeParse(upgradeTestlog(withoutHidden(payload)));
  return read.success
    ? { kind: 'event', event: read.data }
    : bad(read.error.issues.slice(0, ISSUES_MAX).flatMap(wordsOf));
};

const bad = (issues: readonly string[]): TestlogRead => ({
  kind: 'bad',
  why: `The event is not of Testlog ${CURRENT}: ${issues.join('; ')}.`,
});

const wordsOf = (issue: z.core.$ZodIssue): readonly string[] => {
  const where = issue.path.map(String).join('.');
  const unknown = keysUnknownTo(issue).slice(0, ISSUES_MAX);
  if (unknown.length > 0) return unknown.map((key) => `there is no \`${joined(where, String(key))}\``);
  return [`\`${where === '' ? 'the event' : where}\` ${issue.message.replace(/^Invalid input: /, ': ')}`];
};

const joined = (where: string, key: string): string => (where === '' ? key : `${where}.${key}`);

/** Keys that begin so are the business of whoever wrote them. */
const withoutHidden = (payload: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(payload).filter(([key]) => !key.startsWith('_')));
