/** The pages of the documentation, as tests read them. */
import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export type Page = {
  /** From the root of the clone. */
  readonly path: string;
  readonly text: string;
};

export const readPage = (path: string): Page => ({ path, text: readFileSync(join(root, path), 'utf8') });

/** Every page but those of dependencies and of hidden folders. */
export const allPages = (): readonly Page[] =>
  globSync('**/*.md', { cwd: root, exclude: ['node_modules/**', 'dist/**', 'coverage/**'] })
    .filter((path) => !/(^|\/)(\.|node_modules\/)/.test(path))
    .sort()
    .map((path) => readPage(relative(root, join(root, path))));

/** Fenced blocks of one language, in order. */
export const blocksOf = ({ text }: Page, language: string): readonly string[] =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, fence, block]) =>
    fence === language && block !== undefined ? [block] : [],
  );

/** The text without its fenced blocks: what is said, rather than shown. */
export const proseOf = ({ text }: Page): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');
