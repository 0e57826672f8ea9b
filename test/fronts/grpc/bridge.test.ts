import { afterAll, beforeAll, expect, test } from 'vitest';
import { callOfEvent } from '../../../src/core/shopfloor-call.ts';
import { noticeRestore } from '../../../src/farm/notice-restore.ts';
import {
  ListReconciliationRequest,
  ResumeBridgeRequest,
  ShopfloorService,
} from '../../../src/gen/stationgrid/v1/shopfloor.ts';
import { INSTANCE, insertUnit, oweTo } from '../../support/rows.ts';
import { openDoor, refusedBy, type TestDoor } from './open-door.ts';

let door: TestDoor;
beforeAll(async () => {
  door = await openDoor();
});
afterAll(() => door.close());

const list = () =>
  door.call(ShopfloorService.listReconciliation, ListReconciliationRequest.create({ instance: INSTANCE }));
const resume = (reason: string) =>
  door.call(ShopfloorService.resumeBridge, ResumeBridgeRequest.create({ instance: INSTANCE, reason }));

test('a paused bridge shows what to compare, and goes on when somebody says why', async () => {
  expect(await list()).toEqual({ restore: undefined, entries: [], nextPageToken: '' });
  expect(await refusedBy(resume('early'))).toMatchObject({ code: 9, reason: 'BRIDGE_NOT_PAUSED' });
  const { pool } = door.database;
  const unit = await insertUnit(pool, 'U1');
  const [call] = await oweTo(pool, unit, [callOfEvent('SMT', 'Finalize')]);
  await noticeRestore(pool, { said: true });
  expect(await list()).toMatchObject({
    restore: { number: 1, cause: 'SAID', lastFactTime: undefined, jobIdsSkippedFrom: 1n, jobIdsSkipped: 1_000_000n },
    entries: [
      {
        deviceId: BigInt(unit),
        serials: { 'serials.mlb_serial_number': 'U1' },
        cause: 'OWED',
        owed: 1n,
        lastTold: undefined,
        nextOwed: { id: call, method: 'NotifyEvent' },
      },
    ],
  });
  expect(await refusedBy(resume(''))).toMatchObject({ code: 3 });
  expect(await resume('compared')).toMatchObject({ number: 1 });
  expect((await list()).restore).toBeUndefined();
});
