/** The embedded database restored from a copy of its folder: the one restore that no farm can see by itself. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { ListReconciliationRequest, ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { runCli } from '../cli/run-cli.ts';
import { LINE, openFarmDoor } from '../support/farm-door.ts';
import { openSite, type Site } from '../support/farm-site.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite({ lines: (url) => [{ instance: LINE, shopfloor: { url }, stations: [{ name: 'FAT' }] }] });
});
afterAll(() => site.close());

test('a copied data directory serves again once an operator has said what it is', { timeout: 120_000 }, async () => {
  await site.shopfloor().start();
  const farm = await site.farm();
  await farm.start();
  const door = openFarmDoor(farm);
  const bot = site.bot('bot', farm, ['--instance', LINE, '--serial', 'mlb_serial_number=A']);
  await bot.start();
  const pass = async (): Promise<bigint> => {
    const { id } = await door.enqueue({ station: 'FAT', board: 'A' });
    await door.jobIn(id, JobState.FINISHED);
    await door.settledCalls();
    return id;
  };
  await pass();
  // The last to leave stops PostgreSQL: what is copied now is whole.
  expect(await farm.stop()).toBe(0);
  const [data, copy] = [join(site.folder, 'postgres'), join(site.folder, 'copy')];
  execFileSync('cp', ['-a', data, copy]);
  await farm.start();
  const lost = await pass();
  expect(await farm.stop()).toBe(0);
  rmSync(data, { recursive: true });
  execFileSync('mv', [copy, data]);

  expect(await runCli(['db', 'restored', '--data', site.folder])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Kept as restore 1\. The bridge is paused/),
  });
  await farm.start();
  const { id } = await door.enqueue({ station: 'FAT', board: 'A' });
  expect(id).toBeGreaterThan(lost + 900_000n);
  await door.jobIn(id, JobState.FINISHED);
  const told = await site.journal();
  const { restore, entries } = await door.ask(
    ShopfloorService.listReconciliation,
    ListReconciliationRequest.create({ instance: LINE }),
  );
  expect(restore?.cause).toBe('SAID');
  expect(entries).toMatchObject([{ cause: 'OWED', owed: 3n, lastTold: { method: 'NotifyEnd' } }]);
  expect(await site.journal()).toEqual(told);
  expect(await site.doctor()).toEqual([]);
  door.close();
});
