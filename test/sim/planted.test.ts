/**
 * A simulation that finds nothing proves nothing: it must find the bugs that were put there. Here: that they still can be
 * put there. `npm run sim -- --planted` looks for them, and takes longer than the other tests have.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { caughtBy, plantedBugs } from './planted-bugs.ts';
import { swap } from './plant.ts';

const BUGS_MIN = 15;

describe('planted bugs', () => {
  it(`are at least ${BUGS_MIN}, each under a name of its own`, () => {
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length);
    expect(plantedBugs.length).toBeGreaterThanOrEqual(BUGS_MIN);
  });

  it.each(plantedBugs)('can be planted: $name', ({ changes }) => {
    for (const change of changes) {
      const source = readFileSync(new URL(`../../${change.file}`, import.meta.url), 'utf8');
      expect(swap(source, change)).not.toBe(source);
    }
  });

  it('are refused where the farm has changed under them', () => {
    const change = { file: 'src/x.ts', original: 'once', planted: 'twice' };
    expect(() => swap('once and once', change)).toThrow('src/x.ts holds 2 times');
    expect(() => swap('never', change)).toThrow('src/x.ts holds 0 times');
  });

  it('have hints for bugs that are there', () => {
    const names = new Set(plantedBugs.map(({ name }) => name));
    expect([...caughtBy.keys()].filter((name) => !names.has(name))).toEqual([]);
  });
});
