import { expect, it } from 'vitest';
import { causeOfRestore, isBridgePaused } from '../../src/core/restore.ts';

it.each<[string, string | null, string | null, string | null]>([
  ['nobody has looked before', null, '7/00000001/5/16', null],
  ['the server does not tell', '7/00000001/5/16', null, null],
  ['nothing has changed', '7/00000001/5/16', '7/00000001/5/16', null],
  ['a standby was promoted', '7/00000001/5/16', '7/00000002/5/16', 'PROMOTED'],
  ['another cluster', '7/00000001/5/16', '8/00000001/5/16', 'MOVED'],
  ['another database', '7/00000001/5/16', '7/00000001/6/16', 'MOVED'],
  ['the tables made anew', '7/00000001/5/16', '7/00000001/5/17', 'MOVED'],
])('knows by the mark of the database: %s', (_, seen, now, cause) => {
  expect(causeOfRestore(seen, now)).toBe(cause);
});

it.each<[restores: number, resumes: Readonly<Record<string, number>>, isPaused: boolean]>([
  [0, {}, false],
  [1, {}, true],
  [1, { 'line-2': 1 }, true],
  [1, { 'line-1': 1 }, false],
  [2, { 'line-1': 1 }, true],
])('after %i restores, with %j resumed, the bridge of line-1 is paused: %s', (restores, resumes, isPaused) => {
  expect(isBridgePaused({ restores, resumes }, 'line-1')).toBe(isPaused);
});
