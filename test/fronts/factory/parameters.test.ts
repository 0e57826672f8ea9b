/** Files that DUTs are given by name, and the patterns by which they ask for them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createParameters } from '../../../src/fronts/factory/parameters.ts';

const NAMES = [
  'a',
  'ab',
  'a*b',
  '[',
  '[x]',
  ']',
  '!',
  '^',
  'a-b',
  '.hidden',
  'Z',
  'é',
  '\u{1F600}',
  'calibration_v12.json',
];

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-parameters-`));
  mkdirSync(join(root, 'sub'));
  for (const name of NAMES) for (const folder of ['', 'sub']) writeFileSync(join(root, folder, name), '');
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

const patterns = [
  ...[
    '*',
    '?',
    '??',
    'a*',
    '*b',
    'a?b',
    '.*',
    '[a-z]',
    '[!a-z]',
    '[]]',
    '[!]]',
    '[[]',
    '[[]x]',
    '[',
    '[a',
    '[z-a]',
    '[^]',
  ],
  ...[
    '[a-]*',
    '[*]',
    'a[*]b',
    '[!!]',
    '[',
    ']',
    '[]',
    '*.json',
    '*_v??.json',
    'sub/*',
    'sub/[a-b]',
    '*/a',
    '[\u{1F600}é]',
  ],
];

test('fit as those of Python do', async () => {
  const said = execFileSync('python3', ['-c', GLOB, root, JSON.stringify(patterns)], { encoding: 'utf8' });
  const python = JSON.parse(said) as readonly (readonly string[])[];
  const parameters = createParameters(root, 1);
  for (const [index, pattern] of patterns.entries()) {
    expect([pattern, (await parameters.list(pattern)).toSorted()]).toEqual([pattern, python[index]?.toSorted()]);
  }
});

const GLOB = `
import glob, json, os, sys
root = sys.argv[1]
os.chdir(root)
print(json.dumps([[p for p in glob.glob(each) if os.path.isfile(p)] for each in json.loads(sys.argv[2])]))
`;

test.each([
  ['stars', `${'*'.repeat(200)}x`],
  ['stars and letters', `${'*a'.repeat(400)}x`],
  ['brackets', '['.repeat(1_000_000)],
  ['sets', '[a'.repeat(500)],
  ['folders', '*/'.repeat(10_000)],
])('cost little, whatever they are: %s', async (_what, pattern) => {
  const began = process.cpuUsage();
  expect(await createParameters(root, 1).list(pattern)).toEqual([]);
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1000).toBeLessThan(2000);
});
