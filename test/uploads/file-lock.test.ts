/** The lock of a file among processes that share its folder: held by one, and by no dead one for ever. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { type FileLocks, openFileLocks } from '../../src/uploads/file-lock.ts';
import { wallClock } from '../support/wall-clock.ts';
import { holdFile } from './held-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-locks-`));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const PATIENT = { lockWaitMs: 60_000, lockMs: 120_000 };
const open = (limits = PATIENT, clock: Clock = wallClock): Promise<FileLocks> =>
  openFileLocks({ folder, clock, newId: randomUUID, limits });

/** Time passes only where somebody sleeps. */
const sleepersClock = () => {
  let ms = 0;
  return {
    now: () => new Date(0),
    monotonicMs: () => ms,
    sleep: async (forMs: number): Promise<void> => {
      ms += forMs;
      await Promise.resolve();
    },
  };
};

const onlyLock = (): string => {
  const names = readdirSync(folder);
  expect(names).toHaveLength(1);
  return join(folder, names[0]!);
};

test('one at a time works on a file, whoever they are, and on another file meanwhile', async () => {
  const openers = await Promise.all([open(), open(), open()]);
  let [inside, most] = [0, 0];
  await openers[0].alone('other', () =>
    Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        openers[n % 3]!.alone('file', async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        }),
      ),
    ),
  );
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test('work that fails gives its lock back', async () => {
  const locks = await open();
  await expect(locks.alone('file', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await locks.alone('file', () => Promise.resolve('yes'))).toBe('yes');
});

test('the lock of a process that lives is waited for, so long, and no longer', async () => {
  const holder = await holdFile(folder, 'file');
  const locks = await open({ ...PATIENT, lockWaitMs: 1 });
  await expect(locks.alone('file', () => Promise.resolve())).rejects.toMatchObject({
    kind: 'UNAVAILABLE',
    reason: 'UPLOAD_FILE_HELD',
  });
  await holder.giveBack();
  expect(await locks.alone('file', () => Promise.resolve('mine'))).toBe('mine');
});

test('that of a process which was killed goes to one of those who wait, and to one at a time', async () => {
  const holder = await holdFile(folder, 'file');
  const openers = await Promise.all([open(), open()]);
  let [inside, most, done] = [0, 0, 0];
  const waiting = Array.from({ length: 20 }, (_, n) =>
    openers[n % 2]!.alone('file', async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      done += 1;
    }),
  );
  expect(done).toBe(0);
  await holder.kill();
  await Promise.all(waiting);
  expect([most, done]).toEqual([1, 20]);
  expect(readdirSync(folder)).toEqual([]);
});

test('whoever was killed while it removed such a lock is in nobody’s way either', async () => {
  await (await holdFile(folder, 'file')).kill();
  const lock = onlyLock();
  const { id, mark } = JSON.parse(readFileSync(lock, 'utf8')) as { id: string; mark: object };
  writeFileSync(`${lock}.after-${id}`, JSON.stringify({ id: 'of the removal', mark }));
  expect(await (await open()).alone('file', () => Promise.resolve('mine'))).toBe('mine');
  expect(readdirSync(folder)).toEqual([]);
});

test('a process that has the number of a dead one is not taken for it', async () => {
  await (await holdFile(folder, 'file')).kill();
  const lock = onlyLock();
  const holder = JSON.parse(readFileSync(lock, 'utf8')) as { mark: object };
  writeFileSync(lock, JSON.stringify({ ...holder, mark: { ...holder.mark, pid: process.pid } }));
  expect(await (await open()).alone('file', () => Promise.resolve('mine'))).toBe('mine');
});

test.for([
  ['on another machine', JSON.stringify({ id: 'a', mark: { machine: 'elsewhere', pid: 1, startedAt: '1' } })],
  ['that says nothing of itself', '{"id"'],
])('the lock of a holder %s counts as left behind when it was seen for long enough', async ([, written]) => {
  await (await holdFile(folder, 'file')).kill();
  writeFileSync(onlyLock(), written!);
  const clock = sleepersClock();
  const locks = await open({ lockWaitMs: 5_000, lockMs: 60_000 }, clock);
  const attempt = (): Promise<string> => locks.alone('file', () => Promise.resolve('mine')).catch(() => 'held');
  const said: string[] = [];
  while (clock.monotonicMs() < 60_000) said.push(await attempt());
  expect(new Set(said.slice(0, -1))).toEqual(new Set(['held']));
  expect(await attempt()).toBe('mine');
  expect(readdirSync(folder)).toEqual([]);
});

test('a holder that takes half of that time writes no more', async () => {
  const clock = sleepersClock();
  const locks = await open({ lockWaitMs: 5_000, lockMs: 60_000 }, clock);
  await locks.alone('file', async (stillMine) => {
    await clock.sleep(29_999);
    stillMine();
    await clock.sleep(1);
    expect(stillMine).toThrow('The disk took too long');
  });
});
