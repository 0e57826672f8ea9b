/** What is under way in a folder of uploads, and what was left behind there: a start tells them apart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clearLeftovers, noteName } from '../../src/uploads/notes.ts';
import { ownMark, type ProcessMark } from '../../src/uploads/process-mark.ts';

let root: string;
let own: ProcessMark;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-notes-`));
  mkdirSync(join(root, 'incoming'));
  own = await ownMark();
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const HOUR_MS = 60 * 60 * 1000;
const incoming = (name: string): string => join(root, 'incoming', name);
/** When the last of it came here. */
let cameMs: number;

const lies = (name: string): void => {
  writeFileSync(incoming(name), 'half of a report');
  cameMs = statSync(incoming(name)).ctimeMs;
};

const leftAfter = async (hours: number): Promise<readonly string[]> => {
  const adopt = () => Promise.resolve({ adopted: 0, spare: [] });
  // Rounded up: a date knows no part of a millisecond.
  const now = new Date(Math.ceil(cameMs) + hours * HOUR_MS);
  await clearLeftovers({ root, id: 'depot' }, { own, now, adopt });
  return readdirSync(join(root, 'incoming'));
};

test('what this process has under way stays, however old it is', async () => {
  const name = `${noteName(own, 'id')}.part`;
  lies(name);
  expect(await leftAfter(1000)).toEqual([name]);
});

test('what a process of this machine left behind goes at once, though another has its number now', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  lies(`${noteName({ ...own, pid: child.pid! }, 'id')}.part`);
  lies(`${noteName({ ...own, startedAt: `${own.startedAt}0` }, 'id')}.part`);
  expect(await leftAfter(0)).toEqual([]);
});

test.for<[string, (mark: ProcessMark) => string]>([
  ['a process in another container, whatever its number', (mark) => noteName({ ...mark, machine: 'another' }, 'id')],
  ['a process that did not say more than its number', ({ pid }) => `${pid}-id`],
])('of %s it stays for a day', async ([, nameOf]) => {
  const name = `${nameOf(own)}.part`;
  lies(name);
  expect(await leftAfter(23)).toEqual([name]);
  expect(await leftAfter(24)).toEqual([]);
});

test('nor is an old content gone while another container forgets it', async () => {
  const name = `${noteName({ ...own, machine: 'another' }, 'id')}.part`;
  lies(name);
  utimesSync(incoming(name), 0, 0);
  cameMs = statSync(incoming(name)).ctimeMs;
  expect(await leftAfter(23)).toEqual([name]);
  expect(await leftAfter(24)).toEqual([]);
});
