/** Reading a request: what zod says of it in words, and the few things that every route reads alike. */
import { z } from 'zod';
import { invalid, Refusal } from '../../core/refusal.ts';

/** @throws Refusal INVALID that names everything that is wrong. */
const read = <T extends z.ZodType>(schema: T, what: string, reason: string, value: unknown): z.output<T> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, ISSUES_SHOWN_MAX).flatMap(issueWords);
  throw invalid(reason, `${what} is not what this takes: ${issues.join('; ')}. Mend that and send it again.`);
};

const ISSUES_SHOWN_MAX = 5;

const issueWords = (issue: z.core.$ZodIssue): readonly string[] => {
  const where = issue.path.map(String).join('.');
  const prefix = where === '' ? '' : `\`${where}\`: `;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${prefix}there is no key \`${key}\``);
  return [prefix + issue.message.replace(/^Invalid input: /, '')];
};

/** A request without a body asks with every default. */
export const readBody = <T extends z.ZodType>(schema: T, body: unknown): z.output<T> =>
  read(schema, 'The body', 'BAD_BODY', body ?? {});

export const readQuery = <T extends z.ZodType>(schema: T, query: unknown): z.output<T> =>
  read(schema, 'The query', 'BAD_QUERY', query);

/** How the empty instance is written in a path, where nothing cannot stand. */
const EMPTY_INSTANCE = '-';

const instanceSchema = z.object({ instance: z.string() });

export const instanceOf = (params: unknown): string => {
  const { instance } = instanceSchema.parse(params);
  return instance === EMPTY_INSTANCE ? '' : instance;
};

export const instanceInPath = (instance: string): string =>
  instance === '' ? EMPTY_INSTANCE : encodeURIComponent(instance);

/** A number that the farm may have drawn. @throws Refusal NOT_FOUND for any other text. */
export const idOf = (what: string, text: string): number => {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw new Refusal('NOT_FOUND', 'NO_SUCH_ID', `${JSON.stringify(text)} is no number of a ${what}.`);
};

/** Some of these words, given by several keys or in one, with commas. */
export const someOf = <const W extends readonly string[]>(words: W) =>
  z
    .union([z.array(z.string()), z.string()])
    .transform((given) => [given].flat().flatMap((text) => text.split(',')))
    .pipe(z.array(z.enum(words)))
    .default([])
    .meta({ type: 'array', items: { type: 'string', enum: words } });

export const pageQuery = {
  pageSize: z.coerce.number().int().min(0).default(0),
  pageToken: z.string().default(''),
};

export const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const reasonBody = z.strictObject({ reason: z.string().default('') });
