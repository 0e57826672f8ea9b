/** Puts a planted bug into the farm as its modules are loaded, so that production code carries no switch for it. */
import { registerHooks } from 'node:module';
import { plantedBugs } from './planted-bugs.ts';

export const plant = (name: string): void => {
  const bug = plantedBugs.find((each) => each.name === name);
  if (bug === undefined) throw new Error(`there is no planted bug ${name}`);
  const changes = Map.groupBy(bug.changes, ({ file }) => new URL(`../../${file}`, import.meta.url).href);
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!changes.has(url)) return loaded;
      return { ...loaded, source: (changes.get(url) ?? []).reduce(swap, toText(loaded.source)) };
    },
  });
};

/** @throws when the original is not there exactly once: the farm has changed, and the bug must be planted anew. */
export const swap = (
  source: string,
  { file, original, planted }: { file: string; original: string; planted: string },
): string => {
  const found = source.split(original).length - 1;
  if (found !== 1) throw new Error(`${file} holds ${found} times what the planted bug replaces:\n${original}`);
  return source.replace(original, () => planted);
};

const toText = (source: unknown): string =>
  typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
