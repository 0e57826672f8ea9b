/** A StationWork as people write it: YAML or JSON, durations as text, and no key that nobody reads. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { nearest } from '../config/nearest.ts';
import { duration } from '../config/units.ts';
import { StationWork, Test } from '../gen/stationgrid/v1/work.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { toDuration } from './to-duration.ts';
import type { Terminal } from './terminal.ts';

const name = z.string().min(1);

const testSchema = z
  .strictObject({
    testId: name,
    command: z
      .strictObject({
        argv: z.array(z.string()).min(1),
        env: z.record(z.string(), z.string()).default({}),
        workingDirectory: z.string().default(''),
      })
      .optional(),
    handler: name.optional(),
    args: z.record(z.string(), z.unknown()).optional(),
    timeout: duration().optional(),
  })
  .refine(({ command, handler }) => (command === undefined) !== (handler === undefined), {
    error: 'say how it is run: either `command` or `handler`',
  });

const workSchema = z.strictObject({
  station: name.optional(),
  executionTimeout: duration().optional(),
  tests: z.array(testSchema).default([]),
});

const keys: readonly string[] = [
  ...Object.keys(workSchema.shape),
  ...['testId', 'command', 'handler', 'args', 'timeout', 'argv', 'env', 'workingDirectory'],
];

/** `path`: a file; `-`: standard input. */
export const readWork = async (terminal: Terminal, path: string): Promise<StationWork> => {
  const where = path === '-' ? 'standard input' : path;
  const parsed = workSchema.safeParse(camelKeys(toTree(await readText(terminal, path), where)));
  if (!parsed.success) {
    const words = parsed.error.issues.flatMap(issueWords).join('; ');
    throw new Failure(
      EXIT.usage,
      `${where} is no station's work: ${words}`,
      'See `stationgrid job enqueue --help` for one that is.',
    );
  }
  const { station = '', executionTimeout, tests } = parsed.data;
  return StationWork.create({
    station,
    ...(executionTimeout === undefined ? {} : { executionTimeout: toDuration(executionTimeout) }),
    tests: tests.map(toTest),
  });
};

const readText = async (terminal: Terminal, path: string): Promise<string> => {
  if (path !== '-') return readFile(path, 'utf8');
  let text = '';
  for await (const chunk of terminal.stdin) text += chunk.toString();
  return text;
};

/** JSON is YAML. */
function toTree(text: string, where: string): unknown {
  try {
    return parse(text) as unknown;
  } catch (error) {
    const words = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new Failure(EXIT.usage, `${where} is neither YAML nor JSON: ${words}`, 'Mend the file at that place.');
  }
}

/** Protobuf's JSON takes `test_id` for `testId`; what stands in `args` and `env` is not ours to rename. */
const camelKeys = (tree: unknown): unknown => {
  if (Array.isArray(tree)) return tree.map(camelKeys);
  if (typeof tree !== 'object' || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]): [string, unknown] => {
      const camel = key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return [camel, camel === 'args' || camel === 'env' ? value : camelKeys(value)];
    }),
  );
};

const issueWords = (issue: z.core.$ZodIssue): readonly string[] => {
  const where = issue.path.map(String).join('.');
  const prefix = where === '' ? '' : `${where}: `;
  if (issue.code !== 'unrecognized_keys') return [prefix + issue.message];
  return issue.keys.map((key) => {
    const meant = nearest(key, keys);
    return `${prefix}unknown key \`${key}\`${meant === null ? '' : `; did you mean \`${meant}\`?`}`;
  });
};

const toTest = ({ testId, command, handler, args, timeout }: z.output<typeof testSchema>): Test =>
  Test.fromPartial({
    testId,
    run: command === undefined ? { $case: 'handler', value: handler ?? '' } : { $case: 'command', value: command },
    ...(args === undefined ? {} : { args }),
    ...(timeout === undefined ? {} : { timeout: toDuration(timeout) }),
  });
