/** What is under way in a folder of uploads, and what was left behind there: a start tells them apart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
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

const NOW = new Date('2026-11-22T12:00:00Z');
const HOUR_MS = 60 * 60 * 1000;

/** Something of this process that was written so long ago. */
const lies = (name: string, hoursAgo: number): void => {
  const path = join(root, 'incoming', name);
  writeFileSync(path, 'half of a report');
  const at = new Date(NOW.getTime() - hoursAgo * HOUR_MS);
  utimesSync(path, at, at);
};

const left = async (): Promise<readonly string[]> => {
  const adopt = () => Promise.resolve({ adopted: 0, spare: [] });
  await clearLeftovers({ root, id: 'depot' }, { own, now: NOW, adopt });
  return readdirSync(join(root, 'incoming'));
};

test('what this process has under way stays, however old it is', async () => {
  const name = `${noteName(own, 'id')}.part`;
  lies(name, 1000);
  expect(await left()).toEqual([name]);
});

test('what a process of this machine left behind goes at once, though another has its number now', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  lies(`${noteName({ ...own, pid: child.pid! }, 'id')}.part`, 0);
  lies(`${noteName({ ...own, startedAt: `${own.startedAt}0` }, 'id')}.part`, 0);
  expect(await left()).toEqual([]);
});

test.for<[string, (mark: ProcessMark) => string]>([
  ['a process in another container, whatever its number', (mark) => noteName({ ...mark, machine: 'another' }, 'id')],
  ['a process that did not say more than its number', ({ pid }) => `${pid}-id`],
])('of %s it stays for a day', async ([, nameOf]) => {
  const name = `${nameOf(own)}.part`;
  lies(name, 23);
  expect(await left()).toEqual([name]);
  lies(name, 24);
  expect(await left()).toEqual([]);
});
