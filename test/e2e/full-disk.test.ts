/** The disk under the embedded PostgreSQL is full, and later it is not. Needs a disk of its own, which only root can have. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite } from '../support/farm-site.ts';
import { fillDisk } from '../support/fill-disk.ts';
import { openFieldBot } from './field-bot.ts';

/** A fresh cluster takes some 40 MiB. */
const DISK = '160m';
const BIG = Buffer.alloc(900 * 1024, 'x');
/** More jobs of this size than the disk could ever hold. */
const JOBS_MAX = 300;

test('a full disk refuses work in clear words, loses none that was taken, and the farm goes on when there is room', async (context) => {
  const disk = mkdtempSync(join(tmpdir(), 'sg-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=711`, 'stationgrid-test', disk], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(disk);
    const [why] = String(error).split('\n').slice(-2);
    return context.skip(`no disk of its own can be mounted here: ${why ?? ''}`);
  }
  try {
    await fillAndFree(disk);
  } finally {
    execFileSync('umount', ['--lazy', disk]);
    rmdirSync(disk);
  }
});

async function fillAndFree(disk: string): Promise<void> {
  const site = await openSite({ lines: () => [{ instance: LINE }], within: disk });
  const farm = await site.farm();
  await farm.start();
  const door = openFarmDoor(farm);
  const bot = openFieldBot(farm.address);
  const enqueue = () => door.enqueue({ station: '', payload: { typeUrl: 'type.example.com/field.Work', value: BIG } });
  try {
    const taken = [await enqueue()];
    const filler = join(disk, 'filler');
    fillDisk(filler);
    const refusal = await (async () => {
      for (let tries = 0; tries < JOBS_MAX; tries += 1) {
        const answer = await enqueue().catch((error: unknown) => error);
        if (answer instanceof Error) return answer;
        taken.push(answer as (typeof taken)[number]);
      }
      throw new Error('the disk never was full');
    })();
    expect(refusal).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/database/) });
    rmSync(filler);
    // PostgreSQL may have to start anew; the farm brings it back by itself.
    const last = await eventually(() => enqueue());
    const jobs = await door.jobs();
    expect(jobs.map(({ id }) => id)).toEqual(expect.arrayContaining([...taken, last].map(({ id }) => id)));
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set([JobState.QUEUED]));
    const { leases } = await bot.create(LINE, { bot_id: 'bot-1', status: 'OK' });
    expect(leases).toMatchObject([{ state: 'PENDING' }]);
    expect(await site.doctor()).toEqual([]);
    expect(await farm.stop()).toBe(0);
  } finally {
    door.close();
    bot.close();
    await site.close();
  }
}
