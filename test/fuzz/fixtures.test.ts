import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allTargets, targetNamed } from './all-targets.ts';
import { readFixtures } from './fixtures.ts';
import { openRange, type Range } from './judge.ts';
import { type Ground, layGround } from './site.ts';

const fixtures = readFixtures(allTargets.map(({ name }) => name));

let ground: Ground;
let range: Range;
beforeAll(async () => {
  ground = layGround();
  range = await openRange(ground);
});
afterAll(async () => {
  await range.close();
  ground.remove();
});

describe('what was found once', () => {
  it.each(fixtures)('is borne now: $target, $name', async ({ target, input }) => {
    expect(await range.throwAt(targetNamed(target), input)).toBeNull();
  });
});
