/** What was found once: a file each, by target, thrown again in every run of the tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Finding } from './judge.ts';
import { type Input, inputOf, type WrittenInput, writtenOf } from './input.ts';

export const FIXTURES = new URL('./fixtures/', import.meta.url);

export type Fixture = {
  readonly target: string;
  /** The file's name, without its ending. */
  readonly name: string;
  /** What went wrong when it was found. */
  readonly found: readonly string[];
  readonly input: Input;
};

type Written = WrittenInput & { readonly found: readonly string[] };

export const fixtureOf = ({ input, wrong }: Pick<Finding, 'input' | 'wrong'>): string =>
  `${JSON.stringify({ found: wrong.map((line) => line.split('\n')[0]?.slice(0, FOUND_MAX)), ...writtenOf(input) }, null, 2)}\n`;
const FOUND_MAX = 300;

export const readFixtures = (targets: readonly string[]): readonly Fixture[] =>
  targets.flatMap((target) => {
    const folder = new URL(`${target}/`, FIXTURES);
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.json')) : [];
    return files.sort().map((file) => {
      const written = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Written;
      return { target, name: file.slice(0, -'.json'.length), found: written.found, input: inputOf(written) };
    });
  });
