/** Code, tests and pages cite the rules of the contract by id; its page has each of them, once. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allPages, readPage, root } from './pages.ts';

/** A rule's number may be left out, to mean all of its kind. */
const ID = /\b[RSF]-[A-Z]+(?:-\d+)?\b/g;
const DEFINITION = /^\| ([RSF]-[A-Z]+(?:-\d+)?) +\|/gm;

const defined = [...readPage('docs/reference/contract.md').text.matchAll(DEFINITION)].map(([, id = '']) => id);

const sources = globSync('{src,bot,test,protos}/**/*.{ts,js,mjs,sql,proto}', { cwd: root })
  .filter((path) => !path.startsWith(join('src', 'gen')))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

it('defines every rule that anything cites', () => {
  const undefinedIds = [...sources, ...allPages()].flatMap(({ path, text }) =>
    [...text.matchAll(ID)].flatMap(([id]) => (defined.includes(id) ? [] : [`${path}: ${id}`])),
  );
  expect(sources.length).toBeGreaterThan(0);
  expect(undefinedIds).toEqual([]);
});

it('defines no rule twice', () => {
  expect(defined.filter((id, index) => defined.indexOf(id) !== index)).toEqual([]);
});
