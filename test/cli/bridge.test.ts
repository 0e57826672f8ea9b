/** After a restore: what the operator's commands say. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Timestamp } from '../../src/gen/google/protobuf/timestamp.ts';
import { Reconciliation, Restore } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { type Canned, type CannedFarm, startCannedFarm } from './canned-farm.ts';
import { runCli } from './run-cli.ts';

let farm: CannedFarm | null = null;
let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(async () => {
  farm?.stop();
  farm = null;
  await database.drop();
});

const ask = async (words: readonly string[], canned: Canned) => {
  farm = await startCannedFarm(canned);
  const where = ['--server', farm.address, '--instance', 'line1'];
  return { ...(await runCli([...words, ...where])), asked: farm.asked };
};

const at = (text: string): Timestamp =>
  Timestamp.fromPartial({ seconds: BigInt(Math.floor(new Date(text).getTime() / 1000)) });
const restore = Restore.fromPartial({
  number: 1,
  cause: 'MOVED',
  noticeTime: at('2026-03-01T14:10:00Z'),
  lastFactTime: at('2026-03-01T14:05:09Z'),
  jobIdsSkippedFrom: 18,
  jobIdsSkipped: 1_000_000,
});
const entry = Reconciliation.fromPartial({
  deviceId: 5,
  serials: { 'serials.mlb_serial_number': 'MLB-1' },
  cause: 'OWED',
  owed: 2,
  lastTold: { method: 'NotifyStart', station: 'FAT', settleTime: at('2026-03-01T14:05:00Z') },
  nextOwed: { id: '6b1f0c1e-0000-4000-8000-000000000001', method: 'NotifyEnd', station: 'FAT', sends: 1 },
});

test('lists what to compare with the partner', async () => {
  const { code, stdout } = await ask(['bridge', 'reconciliation'], {
    listReconciliation: () => ({ restore, entries: [entry], nextPageToken: '' }),
  });
  expect(code).toBe(0);
  expect(stdout).toBe(`\
Paused by:         restore 1, MOVED
Noticed:           2026-03-01 14:10:00
Newest fact left:  2026-03-01 14:05:09
Job numbers:       1000000 are skipped from 18
DEVICE  SERIALS  CAUSE  OWED  LAST TOLD        AT                   NEXT OWED      SENDS  KEY
5       MLB-1    OWED   2     NotifyStart FAT  2026-03-01 14:05:00  NotifyEnd FAT  1      6b1f0c1e-0000-4000-8000-000000000001
`);
});

test('says so when there is nothing to compare, in words and as JSON', async () => {
  const nothing = { listReconciliation: () => ({ restore: undefined, entries: [], nextPageToken: '' }) };
  const { stdout } = await ask(['bridge', 'reconciliation'], nothing);
  expect(stdout).toBe('The bridge is not paused; there is nothing to reconcile.\n');
  farm?.stop();
  const json = await ask(['bridge', 'reconciliation', '-o', 'json'], nothing);
  expect(JSON.parse(json.stdout)).toEqual({ restore: null, entries: [] });
});

test('resumes with a reason, and not without', async () => {
  const { stdout, asked } = await ask(['bridge', 'resume', '--reason', 'compared by phone'], {
    resumeBridge: () => restore,
  });
  expect(stdout).toBe('The bridge goes on: what is owed is sent, restore 1 is settled.\n');
  expect(asked[0]!.request).toEqual({ instance: 'line1', reason: 'compared by phone' });
  expect((await runCli(['bridge', 'resume'])).code).toBe(2);
});

test('keeps what the operator says of the database', async () => {
  const said = await runCli(['db', 'restored', '--database', database.ownerUrl]);
  expect(said.code).toBe(0);
  expect(said.stdout).toBe(`\
Kept as restore 1. The bridge is paused; the farm may start.
1000000 numbers of jobs are skipped from 1.
Next: \`stationgrid bridge reconciliation\`, for each instance.
`);
  const again = await runCli(['db', 'restored', '--database', database.ownerUrl, '-o', 'json']);
  expect(JSON.parse(again.stdout)).toMatchObject({
    number: 2,
    cause: 'SAID',
    noticedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    jobIdsSkippedFrom: 1_000_001,
  });
});
