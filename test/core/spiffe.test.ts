import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateName, spiffeOf } from '../../src/core/spiffe.ts';

const FARM = 'farm.example';
const nameOf = (...uris: readonly string[]) => certificateName(uris, FARM);

describe('a bot’s SPIFFE id', () => {
  it.for([
    ['line-1', 'fat-3', 'spiffe://farm.example/instance/line-1/bot/fat-3'],
    ['', 'b', 'spiffe://farm.example/instance/-/bot/b'],
    ['-', 'b', 'spiffe://farm.example/instance/%2D/bot/b'],
    ['a/b', 'ü c', 'spiffe://farm.example/instance/a%2Fb/bot/%C3%BC%20c'],
    ['..', '.', 'spiffe://farm.example/instance/%2E%2E/bot/%2E'],
  ])('of instance %j and bot %j is %s', ([instance = '', botId = '', uri = '']) => {
    expect(spiffeOf(FARM, { instance, botId })).toBe(uri);
    expect(nameOf(uri)).toEqual({ kind: 'bot', bot: { instance, botId } });
  });

  it('is read back for whatever names', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.oneof(fc.constant(''), name), name, (instance, botId) => {
        const bot = { instance, botId };
        expect(nameOf(spiffeOf(FARM, bot))).toEqual({ kind: 'bot', bot });
      }),
    );
  });
});

describe('a certificate', () => {
  it.for([[[]], [['https://farm.example/bot']], [['urn:uuid:1', 'https://x/']]])(
    'says nothing of who calls when its URIs are %j',
    ([uris]) => {
      expect(certificateName(uris!, FARM)).toEqual({ kind: 'nameless' });
    },
  );

  it.for([
    ['of another trust domain', 'spiffe://farm.example.evil/instance/a/bot/b'],
    ['with a port', 'spiffe://farm.example:443/instance/a/bot/b'],
    ['with a user', 'spiffe://me@farm.example/instance/a/bot/b'],
    ['in capitals', 'SPIFFE://farm.example/instance/a/bot/b'],
    ['with a capital trust domain', 'spiffe://Farm.example/instance/a/bot/b'],
    ['without a bot', 'spiffe://farm.example/instance/a'],
    ['with an empty bot', 'spiffe://farm.example/instance/a/bot/'],
    ['with an empty instance', 'spiffe://farm.example/instance//bot/b'],
    ['with more after it', 'spiffe://farm.example/instance/a/bot/b/c'],
    ['with a query', 'spiffe://farm.example/instance/a/bot/b?admin'],
    ['with a fragment', 'spiffe://farm.example/instance/a/bot/b#c'],
    ['of another kind', 'spiffe://farm.example/ns/default/sa/bot'],
    ['with half an escape', 'spiffe://farm.example/instance/a/bot/%4'],
    ['with bytes that are no UTF-8', 'spiffe://farm.example/instance/a/bot/%FF'],
    ['with U+0000', 'spiffe://farm.example/instance/a/bot/b%00'],
    ['with a line after it', 'spiffe://farm.example/instance/a/bot/b\n'],
    ['that is too long', `spiffe://farm.example/instance/a/bot/${'b'.repeat(2048)}`],
  ])('%s names no bot of ours', ([, uri]) => {
    expect(nameOf(uri!)).toMatchObject({ kind: 'stranger' });
  });

  it('names nobody when it carries two URIs, whichever they are', () => {
    const ours = spiffeOf(FARM, { instance: 'a', botId: 'b' });
    expect(nameOf(ours, ours)).toMatchObject({ kind: 'stranger' });
    expect(nameOf(ours, 'https://x/')).toMatchObject({ kind: 'stranger' });
    expect(nameOf('https://x/', ours)).toMatchObject({ kind: 'stranger' });
  });
});
