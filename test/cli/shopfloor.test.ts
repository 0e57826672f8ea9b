import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endOf, runCli, startCli } from './run-cli.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('serves until it is told to stop, and its journal can be printed and checked', async () => {
  const journal = join(folder, 'journal');
  const child = startCli(['shopfloor', '--port', '0', '--journal', journal]);
  const ended = endOf(child);
  const [url] = (await once(child.stdout!, 'data')) as [string];
  const body =
    '<?xml version="1.0"?><methodCall><methodName>NotifyStart</methodName><params><param><value><struct><member>' +
    '<name>serials.mlb_serial_number</name><value><string>MLB1</string></value></member></struct></value></param>' +
    '<param><value><string>SMT</string></value></param></params></methodCall>';
  const answer = await fetch(url.trim(), {
    method: 'POST',
    headers: { 'Idempotency-Key': 'k1', 'Content-Type': 'text/xml' },
    body,
  });
  expect(await answer.text()).not.toContain('fault');
  child.kill('SIGTERM');
  expect((await ended).code).toBe(0);

  const printed = await runCli(['shopfloor', 'print', journal]);
  expect(printed.stdout).toMatch(/^SEQ +TIME +METHOD/);
  expect(printed.stdout).toContain('NotifyStart');
  expect((await runCli(['shopfloor', 'check', journal])).code).toBe(0);
  const open = await runCli(['shopfloor', 'check', journal, '--ended']);
  expect(open.code).toBe(1);
  expect(open.stdout).toContain('was started at SMT and never closed');
});

test('refuses faults that it does not know', async () => {
  const faults = join(folder, 'faults.yaml');
  writeFileSync(faults, '- kind: explode\n');
  const { code, stderr } = await runCli(['shopfloor', '--port', '0', '--faults', faults]);
  expect(code).toBe(78);
  expect(stderr).toContain('faults.yaml is not understood');
});
