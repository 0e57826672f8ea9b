/** Files that DUTs are given by name: the folder `parameters`, as the original Factory Server has it. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import { fitsTokens, type Token, tokens } from '../../core/pattern.ts';
import { invalid } from '../../core/refusal.ts';
import { codeOf } from '../../uploads/disk.ts';
import { tarOf } from './tar.ts';

export type Parameters = {
  /** Paths of files that fit a pattern of the shell, below the folder. */
  readonly list: (pattern: string) => Promise<readonly string[]>;
  readonly read: (path: string) => Promise<Uint8Array>;
  /** A tar of the files of one folder. @param namespace null: the folder itself. @param name null: all of them. */
  readonly bundle: (namespace: string | null, name: string | null) => Promise<Uint8Array>;
};

/** What the original calls them, and what its newer version does: the words of faults, which tools look for. */
export type Family = { readonly verb: string; readonly kind: string };

const FILES_MAX = 10_000;

/** @param bytesMax so much is given at once: it is held in memory. */
export const createParameters = (root: string, bytesMax: number): Parameters => ({
  list: async (pattern) => {
    const parts = withinFolder(pattern, 'ListParameters is limited to parameter directory').split('/');
    const found = await matching(root, parts);
    return found.map((path) => path.slice(root.length + 1));
  },
  read: async (path) =>
    readWithin(root, withinFolder(path, 'GetParameter is limited to parameter directory'), bytesMax),
  bundle: async (namespace, name) => {
    const folder = withinFolder(namespace ?? '.', 'GetParameters is limited to parameter directory');
    const names = await filesOf(join(root, folder));
    const wanted = names.filter((each) => name === null || each === name);
    if (wanted.length === 0) throw notThere();
    let bytes = 0;
    const files: { readonly name: string; readonly content: Uint8Array }[] = [];
    for (const each of wanted) {
      const content = await readWithin(root, join(folder, each), bytesMax);
      bytes += content.length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      files.push({ name: each, content });
    }
    return tarOf(files);
  },
});

const notThere = () => invalid('PARAMETER_UNKNOWN', 'File does not exist or it is not a file');

const tooLarge = (bytesMax: number) =>
  invalid(
    'PARAMETER_TOO_LARGE',
    `More than ${bytesMax} bytes are not given at once. Ask for one file, or for a smaller one.`,
  );

/** The path without its turns; it must not leave the folder by any of them. */
const withinFolder = (path: string, words: string): string => {
  const straight = normalize(path);
  const leaves = straight === '..' || straight.startsWith('../') || straight.startsWith('/');
  if (leaves || path.includes('\0') || path.includes('\\')) throw invalid('PARAMETER_OUTSIDE', words);
  return straight.replace(/\/$/, '');
};

const readWithin = async (root: string, path: string, bytesMax: number): Promise<Uint8Array> => {
  try {
    const [real, realRoot] = await Promise.all([realpath(join(root, path)), realpath(root)]);
    const { size } = real.startsWith(realRoot + sep) ? await fileAt(real) : { size: null };
    if (size === null) throw notThere();
    if (size > bytesMax) throw tooLarge(bytesMax);
    return await readFile(real);
  } catch (error) {
    if (NOTHING.has(codeOf(error))) throw notThere();
    throw error;
  }
};

const NOTHING = new Set<string | null>(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EISDIR']);

const fileAt = async (path: string): Promise<{ readonly size: number | null }> => {
  const there = await stat(path);
  return { size: there.isFile() ? there.size : null };
};

/** Nothing is there: no names. */
const namesIn = async (folder: string) => {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (NOTHING.has(codeOf(error))) return [];
    throw error;
  }
};

const filesOf = async (folder: string): Promise<readonly string[]> =>
  (await namesIn(folder)).flatMap((entry) => (entry.isFile() ? [entry.name] : []));

/** Each part of the pattern is one of the path: `**` goes no deeper than `*`. */
const matching = async (folder: string, [part = '', ...deeper]: readonly string[]): Promise<readonly string[]> => {
  const fits = patternOf(part);
  const found: string[] = [];
  for (const entry of await namesIn(folder)) {
    if (!fits(entry.name)) continue;
    const path = join(folder, entry.name);
    if (deeper.length === 0 && entry.isFile()) found.push(path);
    if (deeper.length > 0 && entry.isDirectory()) found.push(...(await matching(path, deeper)));
    if (found.length > FILES_MAX)
      throw invalid('PARAMETER_TOO_MANY', `More than ${FILES_MAX} files fit. Ask more narrowly.`);
  }
  return found;
};

/** No file has a longer name, so that what one pattern costs is small. */
const NAME_BYTES_MAX = 255;
/** As Python's glob reads it: `*`, `?` and `[a-z]`; a name that begins with a dot is hidden from those. */
const patternOf = (part: string): ((name: string) => boolean) => {
  // A set takes several characters of the pattern for one of the name, but nobody needs that many.
  if (part.length > 4 * NAME_BYTES_MAX) return () => false;
  const wanted = tokensOf(part);
  const showsHidden = part.startsWith('.');
  return (name) => (showsHidden || !name.startsWith('.')) && fitsTokens(wanted, name);
};

const tokensOf = (part: string): readonly Token[] =>
  Array.from(part.matchAll(/\[(!?)(\]?[^\]]*)\]|[\s\S]/gu), ([piece, not, set]): Token => {
    if (piece === '*' || piece === '?') return tokens[piece];
    return set === undefined ? (one) => one === piece : setOf(set, not === '!');
  });

/** A set whose ends are the wrong way round fits nothing. */
const setOf = (set: string, isNot: boolean): Token => {
  try {
    const expression = new RegExp(`^[${isNot ? '^' : ''}${set.replaceAll(/[\\\]^[]/g, '\\$&')}]$`, 'u');
    return (one) => expression.test(one);
  } catch {
    return () => false;
  }
};
