/** A replica that looks after its folder of uploads for as long as it runs. */
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tendFolder } from '../../src/main/tend-folder.ts';
import type { Undo } from '../../src/main/undo.ts';
import { noteName } from '../../src/uploads/notes.ts';
import { ownMark } from '../../src/uploads/process-mark.ts';
import { openFactory, type TestFactory } from '../fronts/factory/open-factory.ts';

let factory: TestFactory;
beforeEach(async () => {
  factory = await openFactory();
});
afterEach(() => factory.close());

const HOUR_MS = 60 * 60 * 1000;
const REPORT = { folder: 'umpire_data/report/20261122', stem: 'SMT-SN1-20261122000000' };

/** A report that has its name and is not on record, and half of another: both of a process that cannot be seen from here. */
const leaveBehind = async (): Promise<void> => {
  const receiving = factory.depot.receive();
  receiving.write(Buffer.from('a report'));
  const received = await receiving.end();
  const id = factory.farm.newId();
  const { bytes, sha256 } = received;
  const said = { serial: 'SN1', stage: 'SMT', reportName: null, peer: '127.0.0.1' };
  const noted = { id, instance: 'line-1', kind: 'REPORT', bytes, sha256, ...said } as const;
  await received.settle();
  await factory.depot.placing(received, REPORT, noted).place(() => Promise.resolve());
  const incoming = join(factory.folder, 'incoming');
  const elsewhere = { ...(await ownMark()), machine: 'another' };
  for (const name of readdirSync(incoming))
    renameSync(join(incoming, name), join(incoming, `${noteName(elsewhere, id)}.json`));
  writeFileSync(join(incoming, `${noteName(elsewhere, 'half')}.part`), 'half of a report');
};

/** Runs for one round, which begins so many hours from now. */
const tendAfter = async (hours: number): Promise<void> => {
  const { clock } = factory.farm;
  const undo: Undo = [];
  await new Promise<void>((resolve) => {
    let rounds = 0;
    const later = {
      ...clock,
      now: () => new Date(clock.now().getTime() + hours * HOUR_MS),
      sleep: (_ms: number, signal?: AbortSignal) => {
        rounds += 1;
        if (rounds === 1) return Promise.resolve();
        resolve();
        return clock.sleep(HOUR_MS, signal);
      },
    };
    tendFolder({ ...factory.farm, clock: later }, factory.depot, undo);
  });
  for (const step of undo) await step();
};

test('puts in order what was left behind by whom it cannot see, once that is a day old, without a start', async () => {
  await leaveBehind();
  await tendAfter(23);
  expect([await factory.rows(), factory.files('incoming').size]).toEqual([[], 2]);
  await tendAfter(25);
  expect(await factory.rows()).toMatchObject([
    { kind: 'REPORT', path: 'umpire_data/report/20261122/SMT-SN1-20261122000000.rpt.xz', serial: 'SN1', adopted: true },
  ]);
  expect(factory.files('incoming').size).toBe(0);
});
