import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { configFlags } from '../../src/config.ts';
import { EXIT, exitMeanings } from '../../src/cli/exit-codes.ts';
import { commandWords } from '../../src/cli/operands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { startProgress } from '../../src/cli/progress.ts';
import { cliReference } from '../../src/cli/reference.ts';

const program = (...words: readonly string[]) => createProgram(() => () => Promise.resolve(), words);

test('docs/reference/cli.md is what the commands say of themselves', async () => {
  const page = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8');
  expect(page.trimEnd(), 'write it anew: npx stationgrid reference > docs/reference/cli.md').toBe(
    cliReference(await program()).trimEnd(),
  );
});

test('a first word brings its own command, whole, and no other', async () => {
  const all = (await program()).commands.filter((command) => command.name() !== 'reference');
  for (const command of all) {
    const [only, ...others] = (await program(command.name())).commands;
    expect(others).toEqual([]);
    expect(only?.helpInformation()).toBe(command.helpInformation());
  }
});

test('serve has every flag of the configuration', async () => {
  const serve = (await program()).commands.find((command) => command.name() === 'serve')!;
  const declared = serve.options.map(({ flags }) => flags);
  expect(configFlags.map(({ flag }) => flag).filter((flag) => !declared.includes(flag))).toEqual([]);
});

test('exit codes are distinct, and each has a meaning', () => {
  expect(new Set(Object.values(EXIT)).size).toBe(Object.values(EXIT).length);
  expect(exitMeanings.map(([code]) => code)).toEqual(Object.values(EXIT).toSorted((a, b) => a - b));
});

// prettier-ignore
test.each([
  ['./probe.sh --fast', ['./probe.sh', '--fast']],
  [`sh -c 'echo "a  b"'`, ['sh', '-c', 'echo "a  b"']],
  [String.raw`say "a \"quoted\" word" a\ b`, ['say', 'a "quoted" word', 'a b']],
  [`x --name=""`, ['x', '--name=']],
  ['  spaced   out  ', ['spaced', 'out']],
] as const)('splits the command %j as a shell would', (command, words) => {
  expect(commandWords(command)).toEqual(words);
});

test('draws progress where somebody watches', () => {
  let drawn = '';
  const screen = Object.assign(new PassThrough(), {
    isTTY: true,
    columns: 120,
    cursorTo: () => true,
    clearLine: () => true,
  });
  screen.on('data', (chunk: Buffer) => (drawn += chunk.toString()));
  const terminal = { print: () => undefined, say: () => undefined, stdin: new PassThrough(), env: {} };
  const progress = startProgress(
    { ...terminal, progress: screen as unknown as NodeJS.WriteStream },
    { total: 4, what: 'jobs' },
  );
  progress.show(3, '1 not passed');
  progress.end();
  expect(drawn).toContain('jobs [');
  expect(drawn).toContain('3/4');
  expect(drawn).toContain('1 not passed');
});
