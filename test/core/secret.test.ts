import { format, inspect } from 'node:util';
import { expect, it } from 'vitest';
import { Secret, withoutCredentials } from '../../src/core/secret.ts';
import { createLog } from '../../src/log.ts';

const CANARY = 'canary-7c1f';
const secret = new Secret(CANARY);

it('is revealed where it is asked for, and nowhere else', () => {
  expect(secret.reveal()).toBe(CANARY);
  const shown = [
    String(secret),
    'joined '.concat(toText(secret)),
    [secret].join(),
    JSON.stringify({ secret, list: [secret] }),
    inspect(secret),
    inspect({ deep: { secret } }, { showHidden: true, depth: null }),
    format('%s %o %O %j', secret, secret, secret, secret),
    JSON.stringify(Object.entries(secret)),
    JSON.stringify(Object.assign({}, secret)),
    JSON.stringify(structuredClone(Object.assign({}, secret))),
    new Error(`no ${toText(secret)}`, { cause: secret }).stack ?? '',
  ];
  expect(shown.join('\n')).not.toContain(CANARY);
  expect(String(secret)).toBe('***');
});

it.for(['json', 'pretty'] as const)('is hidden in the log, written %s', (form) => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', format: form }, { write: (line) => lines.push(line) });
  log.debug({ secret, nested: { list: [secret] }, map: new Map([['k', secret]]) }, `with ${toText(secret)}`);
  log.error({ err: Object.assign(new Error('failed'), { secret }) }, 'failed');
  expect(lines.length).toBe(2);
  expect(lines.join('')).not.toContain(CANARY);
});

it.for([
  ['http://user:pass@mes.example:80/x?y=1', 'http://mes.example:80/x?y=1'],
  ['http://user@mes.example/', 'http://mes.example/'],
  ['http://mes.example/a@b', 'http://mes.example/a@b'],
  ['http://u:p@ss@mes.example/', 'http://mes.example/'],
  ['json:jsonrpc:http://user:pass@mes.example/', 'json:jsonrpc:http://mes.example/'],
  ['not a url with a secret', '***'],
])('shows %s as %s', ([url, shown]) => {
  expect(withoutCredentials(url!)).toBe(shown);
});

/** Joined into a text in spite of its type, as by a slip. */
function toText(slipped: unknown): string {
  return slipped as string;
}
