/** Runbooks are read at night: there is one for each alert, all have one form, and their commands are those that there are. */
import { expect, it, test } from 'vitest';
import { alertNames, pageOf } from '../ops/expressions.ts';
import { allPages, type Page, readPage } from './pages.ts';

const FOLDER = 'docs/runbooks/';
const INDEX = `${FOLDER}README.md`;
const pages = allPages().filter(({ path }) => path.startsWith(FOLDER) && path !== INDEX);
const HEADINGS = ['Meaning', 'Impact', 'Check', 'Mend', 'Escalate'];

it('has a page for each alert, an alert for each page, and all of them in the index', () => {
  const wanted = alertNames.map((alert) => `${FOLDER}${pageOf(alert)}.md`).toSorted();
  expect(pages.map(({ path }) => path)).toEqual(wanted);
  const { text } = readPage(INDEX);
  expect([...text.matchAll(/\]\(([a-z-]+\.md)\)/g)].map(([, link]) => `${FOLDER}${link}`).toSorted()).toEqual(wanted);
  for (const alert of alertNames) expect(readPage(`${FOLDER}${pageOf(alert)}.md`).text).toContain(`\`${alert}\``);
});

test.for(pages)('$path says meaning, impact, three checks with commands, mend and escalate', (page) => {
  expect([...page.text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(HEADINGS);
  const check = page.text.slice(page.text.indexOf('## Check'), page.text.indexOf('## Mend'));
  expect([...check.matchAll(/^(\d)\. .*(?:\n {3}.*|\n)*?\n {3}```sh\n {3}\S/gm)].map(([, n]) => n)).toEqual([
    '1',
    '2',
    '3',
  ]);
});

/** Of docs/reference/cli.md, which the command itself writes. */
const commands = new Map(
  readPage('docs/reference/cli.md')
    .text.split(/^## (?=stationgrid )/m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);

/** Each call of `stationgrid`, in a block or within a sentence. */
const callsOf = ({ text }: Page): readonly string[] =>
  [...text.matchAll(/(?<![\w./-])stationgrid (?=[a-z])[^`|;\n]*/g)].map(([call]) => call.trim());

const whyWrong = (call: string): string | null => {
  const words = call.split(/\s+/);
  const command = words
    .map((_, end) => words.slice(0, words.length - end).join(' '))
    .find((name) => commands.has(name));
  if (command === undefined) return `there is no ${call}`;
  const flags = words.flatMap((word) => /^--[a-z-]+/.exec(word) ?? []);
  const strange = flags.find((flag) => !new RegExp(`${flag}(?![a-z-])`).test(commands.get(command) ?? ''));
  return strange === undefined ? null : `${command} has no ${strange}`;
};

it('names only commands and options that there are', () => {
  const calls = pages.flatMap((page) => callsOf(page).map((call) => ({ page: page.path, call })));
  expect(calls.length).toBeGreaterThan(40);
  expect(calls.flatMap(({ page, call }) => (whyWrong(call) === null ? [] : [`${page}: ${whyWrong(call)}`]))).toEqual(
    [],
  );
  expect(whyWrong('stationgrid jobs list')).toBe('there is no stationgrid jobs list');
  expect(whyWrong('stationgrid job list --colour')).toBe('stationgrid job list has no --colour');
});
