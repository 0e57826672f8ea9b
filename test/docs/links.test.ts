import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { allPages, type Page, proseOf, readPage, root } from './pages.ts';

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;
/** A path of ours as prose names it. One with a wildcard or a gap to fill is no name of a file. */
const OUR_PATH = /(?<![\w/.:-])(?:src|bot|test|scripts|protos|examples|helm|docs)\/[\w./<>*…{},-]*\w/g;
const PATTERN = /[<>*…{},]|NNNN/;

/** As the forges make them from headings. */
const anchorsOf = (page: Page): ReadonlySet<string> =>
  new Set(
    [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

const linksOf = (page: Page): readonly string[] =>
  [...proseOf(page).matchAll(LINK)].flatMap(([, target]) =>
    target === undefined || /^[a-z]+:/.test(target) ? [] : [target],
  );

const whyBroken = (page: Page, link: string): string | null => {
  const [file = '', anchor = ''] = link.split('#');
  const path = file === '' ? page.path : normalize(join(dirname(page.path), file));
  if (!existsSync(join(root, path))) return `${page.path}: ${link} leads to no file`;
  if (anchor === '' || anchorsOf(readPage(path)).has(anchor)) return null;
  return `${page.path}: ${path} has no heading #${anchor}`;
};

it('has no link in the documentation that leads nowhere', () => {
  const broken = allPages().flatMap((page) => linksOf(page).flatMap((link) => whyBroken(page, link) ?? []));
  expect(broken).toEqual([]);
});

it('names only files that exist', () => {
  const missing = allPages().flatMap((page) =>
    [...page.text.matchAll(OUR_PATH)]
      .map(([path]) => path)
      .filter((path) => !PATTERN.test(path) && !existsSync(join(root, path)))
      .map((path) => `${page.path}: there is no ${path}`),
  );
  expect(missing).toEqual([]);
});
