import { expect, it } from 'vitest';
import { createGangway } from '../../src/farm/gangway.ts';

it('lets as many in as it is wide, then one for each that leaves, in the order in which they came', async () => {
  const through = createGangway(2);
  const entered: string[] = [];
  const enter = (name: string) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const left = through(() => {
      entered.push(name);
      return promise;
    });
    return {
      leave: async () => {
        resolve(name);
        expect(await left).toBe(name);
      },
    };
  };
  const [first, second, third, fourth] = ['first', 'second', 'third', 'fourth'].map(enter);
  await Promise.resolve();
  expect(entered).toEqual(['first', 'second']);
  await second!.leave();
  await expect.poll(() => entered).toEqual(['first', 'second', 'third']);
  await first!.leave();
  await fourth!.leave();
  await third!.leave();
  enter('fifth');
  enter('sixth');
  enter('seventh');
  await Promise.resolve();
  expect(entered).toEqual(['first', 'second', 'third', 'fourth', 'fifth', 'sixth']);
});

it('makes room for the next when one fails, and tells whose failure it was', async () => {
  const through = createGangway(1);
  const failing = through(() => Promise.reject(new Error('the first')));
  const next = through(() => Promise.resolve('the next'));
  await expect(failing).rejects.toThrow('the first');
  expect(await next).toBe('the next');
});
