import { expect, it } from 'vitest';
import { createGangway } from '../../src/bridge/gangway.ts';

it('lets as many in as it is wide, then one for each that leaves, in the order in which they came', async () => {
  const gangway = createGangway(2);
  const entered: string[] = [];
  const enter = async (name: string): Promise<() => void> => {
    const leave = await gangway.enter();
    entered.push(name);
    return leave;
  };
  const [first, second] = await Promise.all([enter('first'), enter('second')]);
  const third = enter('third');
  const fourth = enter('fourth');
  await Promise.resolve();
  expect(entered).toEqual(['first', 'second']);
  second();
  const leaveThird = await third;
  expect(entered).toEqual(['first', 'second', 'third']);
  first();
  (await fourth)();
  leaveThird();
  await Promise.all([enter('fifth'), enter('sixth')]);
  expect(entered).toEqual(['first', 'second', 'third', 'fourth', 'fifth', 'sixth']);
});
