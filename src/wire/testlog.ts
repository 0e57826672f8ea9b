/** The events of Testlog, API version 0.21, as DUT software writes them; older versions are upgraded first. */
import { z } from 'zod';
import { CURRENT, upgradeTestlog } from './upgrade-testlog.ts';

const text = z.string();
/** JSON has one kind of number; an integer does where a fraction may stand. */
const number = z.number();

const filled = <T extends z.ZodType>(values: T) =>
  z.record(text, values).refine((record) => Object.keys(record).length > 0, 'is empty; leave it out');
const listed = <T extends z.ZodType>(values: T) => z.array(values).min(1, 'is empty; leave it out');

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
  const read = station.safeParse(upgradeTestlog(withoutHidden(payload)));
  if (read.success) return { kind: 'event', event: read.data };
  const issues = read.error.issues.slice(0, ISSUES_MAX).flatMap(({ path, message, ...issue }) => {
    const where = path.map(String).join('.');
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `there is no \`${joined(where, key)}\``);
    return [`\`${where === '' ? 'the event' : where}\` ${message.replace(/^Invalid input: /, ': ')}`];
  });
  return { kind: 'bad', why: `The event is not of Testlog ${CURRENT}: ${issues.join('; ')}.` };
};

const joined = (where: string, key: string): string => (where === '' ? key : `${where}.${key}`);

/** Keys that begin so are the business of whoever wrote them. */
const withoutHidden = (payload: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(payload).filter(([key]) => !key.startsWith('_')));
