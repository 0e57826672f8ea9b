import { expect, test } from 'vitest';
import { guard, type Names } from '../../src/listen/guard.ts';

const reasonFor = (given: { host?: string; origin?: string; boundTo?: string; names?: Names }) =>
  guard({ host: given.host, origin: given.origin }, { boundTo: given.boundTo ?? '127.0.0.1', names: given.names ?? [] })
    ?.reason ?? null;

test.for<[string, Parameters<typeof reasonFor>[0], string | null]>([
  ['an address', { host: '127.0.0.1:8081' }, null],
  ['an address of IPv6', { host: '[::1]:8081', boundTo: '::1' }, null],
  ['localhost', { host: 'localhost:8081' }, null],
  ['the name it is bound to', { host: 'farm.example', boundTo: 'farm.example' }, null],
  ['no host at all', {}, null],
  ['a name that was bent to point here', { host: 'evil.example:8081' }, 'HOST_NOT_OURS'],
  [
    'the same, where the door is wide and nobody is asked for credentials',
    { host: 'evil.example', boundTo: '0.0.0.0' },
    'HOST_NOT_OURS',
  ],
  ['any name, where credentials are asked for', { host: 'whatever.example', boundTo: '0.0.0.0', names: 'any' }, null],
  ['a name of its own', { host: 'Farm.Example.:443', boundTo: '0.0.0.0', names: ['farm.example'] }, null],
  ['a name that ends like its own', { host: 'notfarm.example', names: ['farm.example'] }, 'HOST_NOT_OURS'],
  ['its own page', { host: 'localhost:8081', origin: 'http://localhost:8081' }, null],
  ['a page of somebody else', { host: 'localhost:8081', origin: 'http://evil.example' }, 'FOREIGN_ORIGIN'],
  [
    'a page of the same name at another port',
    { host: 'localhost:8081', origin: 'http://localhost:9999' },
    'FOREIGN_ORIGIN',
  ],
  ['a page without a place', { host: 'localhost:8081', origin: 'null' }, 'FOREIGN_ORIGIN'],
])('%s', ([, given, reason]) => {
  expect(reasonFor(given)).toBe(reason);
});
