import { afterAll, beforeAll, expect, test } from 'vitest';
import { callOfEvent } from '../../../src/core/shopfloor-call.ts';
import { noticeRestore } from '../../../src/farm/notice-restore.ts';
import { insertUnit, oweTo } from '../../support/rows.ts';
import { openDoor, type TestDoor } from './open-door.ts';

const BRIDGE = '/api/v1/instances/line-1/bridge';

let door: TestDoor;
beforeAll(async () => {
  door = await openDoor();
});
afterAll(() => door.close());

test('a paused bridge shows what to compare, and goes on when somebody says why', async () => {
  const nothing = { restore: null, entries: [], nextPageToken: '' };
  expect(await door.send('GET', `${BRIDGE}/reconciliation`)).toMatchObject({ status: 200, json: nothing });
  expect(await door.send('POST', `${BRIDGE}/resume`, { body: { reason: 'early' } })).toMatchObject({
    status: 409,
    json: { reason: 'BRIDGE_NOT_PAUSED' },
  });
  const { pool } = door.database;
  const unit = await insertUnit(pool, 'U1');
  const [call] = await oweTo(pool, unit, [callOfEvent('SMT', 'Finalize')]);
  await noticeRestore(pool, { said: true });
  expect((await door.send('GET', `${BRIDGE}/reconciliation`)).json).toMatchObject({
    restore: { number: 1, cause: 'SAID' },
    entries: [{ deviceId: unit, cause: 'OWED', lastTold: null, nextOwed: { id: call } }],
  });
  expect((await door.send('POST', `${BRIDGE}/resume`, { body: {} })).status).toBe(400);
  expect(await door.send('POST', `${BRIDGE}/resume`, { body: { reason: 'compared' } })).toMatchObject({
    status: 200,
    json: { number: 1 },
  });
  expect((await door.send('GET', `${BRIDGE}/reconciliation`)).json).toEqual(nothing);
});
