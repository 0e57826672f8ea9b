import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';
import {
  type ReferenceShopfloorOptions,
  startReferenceShopfloor,
} from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { encodeCall } from '../../src/wire/xml-rpc.ts';
import { wallClock } from '../support/wall-clock.ts';
import { runCli } from './run-cli.ts';

let folder: string;
let journal: string;
const cleanups: (() => unknown)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-replay-'));
  journal = join(folder, 'journal');
  await recordDay();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (options: Partial<ReferenceShopfloorOptions> = {}) => {
  const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, ...options });
  cleanups.push(() => shopfloor.stop());
  return shopfloor;
};

/** Lines 1 to 12: two units at SMT, the calls of one between those of the other, and one call that was refused. */
const recordDay = async (): Promise<void> => {
  const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: journal });
  const client = createShopfloorClient({ url: shopfloor.url, clock: wallClock });
  const tell = async (method: string, ...params: Parameters<typeof encodeCall>[1]) => {
    await client.call(method, encodeCall(method, params), { idempotencyKey: `key-${String(tells++)}` });
  };
  let tells = 1;
  const units = ['A', 'B'].map((name) => ({ 'serials.mlb_serial_number': name }));
  await tell('GetVersion');
  for (const unit of units) await tell('NotifyStart', unit, 'SMT');
  for (const unit of units) await tell('UpdateTestResult', unit, 'SMT.x', 'PASSED', { error_message: 'none' });
  for (const unit of units) await tell('NotifyEnd', unit, 'SMT');
  for (const unit of units) await tell('NotifyEvent', unit, 'Finalize');
  await tell('NotifyEvent', units[0]!, 'Ready');
  await tell('ActivateRegCode', 'u', 'g', 'hwid');
  await tell('GetDeviceInfo', units[0]!);
  client.close();
  await shopfloor.stop();
};

const told = (lines: readonly JournalLine[], device: string): readonly string[] =>
  lines.filter((line) => line.device === device).map(({ method, outcome }) => `${method} ${outcome}`);

const replay = (...words: readonly string[]) => runCli(['shopfloor', 'replay', journal, ...words]);

describe('a replay', { timeout: 60_000 }, () => {
  it('tells each DUT in order under keys of its own, so that a second one changes nothing', async () => {
    const { url, journal: heard } = await start();
    const first = await replay(url);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/Different: +nothing/) });
    const lines = await heard.lines();
    expect(lines).toHaveLength(10);
    expect(told(lines, 'B')).toEqual([
      ...['NotifyStart applied', 'UpdateTestResult applied', 'NotifyEnd applied', 'NotifyEvent applied'],
    ]);
    expect(checkJournal(lines).orderViolations).toEqual([]);
    expect((await replay(url)).code).toBe(0);
    expect((await heard.lines()).slice(10).map(({ outcome }) => outcome)).toEqual(Array(10).fill('repeated'));
  });

  it('under new keys is new', async () => {
    const { url, journal: heard } = await start();
    await replay(url);
    await replay(url, '--keys', 'new', '--device', 'A');
    expect(told((await heard.lines()).slice(10), 'A')).toContain('NotifyStart applied');
  });

  it('sends from a line to a line, and all that came where it is told to', async () => {
    const { url, journal: heard } = await start();
    expect((await replay(url, '--from', '8', '--to', '10', '--all')).code).toBe(0);
    expect((await heard.lines()).map(({ method, outcome }) => `${method} ${outcome}`).sort()).toEqual([
      ...['NotifyEvent applied', 'NotifyEvent applied', 'NotifyEvent fault'],
    ]);
  });

  it('says that a key was used where the first call had other bytes', async () => {
    const { url } = await start({ journalPath: journal });
    expect((await replay(url)).code).toBe(0);
    const { code, stdout } = await replay(url, '--keys', 'same', '--to', '4');
    expect(stdout).toMatch(/^4 +UpdateTestResult +A .*fault -32603: this Idempotency-Key was used/m);
    expect(code).toBe(1);
  });

  it('only prints with --dry-run', async () => {
    const { code, stdout } = await replay('http://127.0.0.1:1/', '--dry-run', '-o', 'json', '--from', '2', '--to', '2');
    expect(JSON.parse(stdout)).toEqual([
      { seq: 2, method: 'NotifyStart', key: 'replay-key-2', params: [{ 'serials.mlb_serial_number': 'A' }, 'SMT'] },
    ]);
    expect(code).toBe(0);
  });

  it('says what ended differently, and goes on with that DUT after a fault', async () => {
    const { url } = await start({ faults: [{ kind: 'fault', method: 'NotifyEnd', code: -9, text: 'not routed' }] });
    const { code, stdout } = await replay(url, '-o', 'json');
    expect(JSON.parse(stdout)).toEqual({
      ...{ sent: 10, unsent: 0, leftOut: 1 },
      differences: [6, 7].map((seq) => ({
        ...{ seq, method: 'NotifyEnd', device: seq === 6 ? 'A' : 'B', then: 'answered', now: 'fault -9: not routed' },
      })),
    });
    expect(code).toBe(1);
  });

  it('leaves the rest of a DUT that was not answered, and no other', async () => {
    const { url, journal: heard } = await start({
      faults: [{ kind: 'drop-after-applying', method: 'UpdateTestResult', device: 'A' }],
    });
    const { code, stdout } = await replay(url, '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ sent: 7, unsent: 3, differences: [{ seq: 4, device: 'A' }] });
    expect(told(await heard.lines(), 'B')).toHaveLength(4);
    expect(code).toBe(1);
  });

  it.for([
    [['http://127.0.0.1:1/'], 4, 'no shopfloor answers'],
    [['wsdl:http://mes/'], 2, 'SOAP'],
  ] as const)('to %j ends with %i', async ([words, expected, said]) => {
    const { code, stderr } = await replay(...words);
    expect(stderr).toContain(said);
    expect(code).toBe(expected);
  });
});
