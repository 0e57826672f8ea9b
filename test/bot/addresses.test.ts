import { expect, test } from 'vitest';
import { createAddresses } from '../../bot/addresses.ts';

/** As many as the bot would go to one after another. */
const firstOf = (server: string, count: number): readonly string[] => {
  const addresses = createAddresses(server);
  return Array.from({ length: count }, () => {
    const current = addresses.current();
    addresses.next();
    return current;
  });
};

test.each([
  ['a:1', ['a:1', 'a:1', 'a:1']],
  ['a:1,b:1', ['a:1', 'b:1', 'a:1']],
  ['a:1, b:1 ,', ['a:1', 'b:1', 'a:1']],
  [',a:1,,b:1', ['a:1', 'b:1', 'a:1']],
])('goes through "%s" in turn, and to nothing else', (server, inTurn) => {
  expect(firstOf(server, 3)).toEqual(inTurn);
});

test.each(['', ' ', ',', ' ,, '])('refuses "%s", which names none', (server) => {
  expect(() => createAddresses(server)).toThrow(/no address of the farm's gRPC door .*write host:port/);
});
