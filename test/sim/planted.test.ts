/**
 * A simulation that finds nothing proves nothing: it must find the bugs that were put there. Here: that all still can be put
 * there, that two are found, and that any few seeds have the emphasis that each needs. `npm run sim -- --planted` looks for all,
 * and takes minutes.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simulate } from './command.ts';
import { CYCLE, emphases, emphasisNamed, emphasisOf } from './emphases.ts';
import { plantedBugs } from './planted-bugs.ts';
import { swap } from './plant.ts';

const BUGS_MIN = 15;
/** Of those that the first minutes of a seed show. */
const FOUND_HERE = ['a lane is taken over without waiting', 'an enqueue is never seen before'];
/** On two slow cores; here to end what hangs. */
const PATIENCE_MS = 5 * 60_000;

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

  it(
    `are found: ${FOUND_HERE.join(', ')}`,
    async () => {
      const { code, output } = await simulate([
        '--planted',
        '--jobs',
        '1',
        ...FOUND_HERE.flatMap((name) => ['--bug', name]),
      ]);
      expect(code, output).toBe(0);
      for (const name of FOUND_HERE) expect(output).toContain(`caught ${name} in `);
    },
    PATIENCE_MS,
  );
});

describe('emphases', () => {
  it('come in turn, so that a few seeds in a row have them all, and some have none', () => {
    const met = new Set(Array.from({ length: CYCLE }, (_, index) => emphasisOf(1_000 + index).name));
    expect(met).toEqual(new Set([...emphases.map(({ name }) => name), 'none']));
  });

  it('are each what a planted bug is met under', () => {
    expect(new Set(plantedBugs.map(({ under }) => under))).toEqual(new Set(emphases.map(({ name }) => name)));
  });

  it('are refused under a name that is none', () => {
    expect(() => emphasisNamed('rain')).toThrow('there is no emphasis rain; there are none, lost bots,');
  });
});
