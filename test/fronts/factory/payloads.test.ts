/** Which bundle a DUT gets by what it says of itself, and when it may download. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createDownloadSlots } from '../../../src/fronts/factory/download-slots.ts';
import { umpireDutOf } from '../../../src/fronts/factory/umpire-dut.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const factory = await openFactory(options);
  opened.push(factory);
  return factory;
};
afterEach(async () => {
  for (const factory of opened.splice(0)) await factory.close();
});

test('a DUT gets the bundle that is for its project, board and stage, or else the active one', async () => {
  const factory = await open({ project: 'eve' });
  const bundle = (id: string, more: object = {}) => ({ id, note: id, payloads: `payload.${id}.json`, ...more });
  const bundles = [
    bundle('other', { for: { project: 'soraka', stage: 'SMT' } }),
    bundle('smt', { for: { project: 'eve', stage: ['SMT', 'FAT'] } }),
    bundle('board', { for: { board: 'b2' } }),
    bundle('rest'),
  ];
  writeFileSync(join(factory.folder, 'active_umpire.json'), JSON.stringify({ bundles, active_bundle_id: 'rest' }));
  const cases = [
    ['sn=DEV001; stage=SMT', 'smt'],
    [{ sn: 'DEV001', stage: 'FAT', mlb_sn: null }, 'smt'],
    ['board=b2', 'board'],
    ['sn=DEV001; stage=GRT', 'rest'],
    [{ stage: null }, 'rest'],
    ['', 'rest'],
  ] as const;
  for (const [dut, id] of cases)
    expect(await factory.call('GetCROSPayloadURL', dut)).toEqual({
      kind: 'value',
      value: `${factory.url}/res/payload.${id}.json`,
    });
  const map = await fetch(`${factory.url}/webapps/resourcemap`, { headers: { 'x-umpire-dut': 'stage=SMT' } });
  expect(await map.text()).toContain('payloads: payload.smt.json\n');
});

test.for(['colour=red', 'sn', 'sn=1; colour=2'])('a key that no DUT has is a fault, and 400: %j', async (dut) => {
  const factory = await open();
  expect(await factory.call('GetCROSPayloadURL', dut)).toMatchObject({
    kind: 'fault',
    code: -32500,
    text: expect.stringMatching(/^ValueError: .*X-Umpire-DUT/),
  });
  for (const path of ['/webapps/resourcemap', '/webapps/download_slots'])
    expect((await fetch(factory.url + path, { headers: { 'x-umpire-dut': dut } })).status).toBe(400);
});

test('what a DUT says of itself is read as it writes it', () => {
  const text =
    'ec=ec_001; firmware=fw_001; mac.eth0=EE:EE:EE:EE:EE:00; mac.wlan0=FF; mlb_sn=MLB001; pd=pd_001; sn="DEV 1"; stage=SMT';
  expect(Object.fromEntries(umpireDutOf(text))).toEqual({
    ...{ ec: 'ec_001', firmware: 'fw_001', 'mac.eth0': 'EE:EE:EE:EE:EE:00', 'mac.wlan0': 'FF', mlb_sn: 'MLB001' },
    ...{ pd: 'pd_001', sn: 'DEV 1', stage: 'SMT' },
  });
  expect(Object.fromEntries(umpireDutOf({ sn: 'DEV1', stage: null }))).toEqual({ sn: 'DEV1', stage: '' });
  expect(() => umpireDutOf(['sn'])).toThrow('string or a struct');
  expect(() => umpireDutOf(null)).toThrow('string or a struct');
});

test('a slot for a download is asked for, kept and given back as DUTs do', async () => {
  const factory = await open();
  const ask = async (dut: string | null) => {
    const headers = dut === null ? {} : { 'x-umpire-dut': dut };
    const said = await fetch(`${factory.url}/webapps/download_slots`, { headers });
    return [said.status, await said.text()] as const;
  };
  const [status, text] = await ask('sn=1; uuid=');
  const uuid = /^UUID: (\S+)\nN_PLACE: 0\n$/.exec(text)?.[1];
  expect([status, typeof uuid]).toEqual([200, 'string']);
  expect(await ask(`sn=1; uuid=${uuid}`)).toEqual([200, `UUID: ${uuid}\nN_PLACE: 0\n`]);
  expect(await ask(`uuid=${uuid}; drop_slot=1`)).toEqual([200, `UUID: ${uuid}\nN_PLACE: -1\n`]);
  expect((await ask(`uuid=${uuid}`))[0]).toBe(400);
  expect((await ask('drop_slot=1'))[0]).toBe(400);
  expect((await ask(null))[0]).toBe(400);
});

test('DUTs wait in the order in which they came, and move up when one leaves or falls silent', async () => {
  const clock = createManualClock();
  let n = 0;
  const slots = createDownloadSlots({
    clock,
    newId: () => `dut-${(n += 1)}`,
    limits: { slots: 2, silentMs: 80_000, waitingMax: 4 },
  });
  const ask = (text: string) => slots.ask(umpireDutOf(text)).place;
  expect([ask('uuid='), ask('uuid='), ask('uuid='), ask('uuid=')]).toEqual([0, 0, 1, 2]);
  expect(() => ask('uuid=')).toThrow('wait for a download already');
  expect(ask('uuid=dut-1; drop_slot=1')).toBe(-1);
  expect([ask('uuid=dut-3'), ask('uuid=dut-4')]).toEqual([0, 1]);
  await clock.advance(60_000);
  expect(ask('uuid=dut-4')).toBe(1);
  await clock.advance(30_000);
  expect(ask('uuid=dut-4')).toBe(0);
  expect(() => ask('uuid=dut-2')).toThrow('not in the queue');
});
