/** The checks against the reference shopfloor: all pass, and each planted defect fails the checks it should. */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { checks, runChecks } from '../../src/cli/shopfloor-check/run-checks.ts';
import { openPartner, type PartnerOptions } from '../../src/cli/shopfloor-check/partner.ts';
import { DEFECT_NAMES, type DefectName } from '../../src/reference-shopfloor/defect-names.ts';
import {
  type ReferenceShopfloorOptions,
  startReferenceShopfloor,
} from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { wallClock } from '../support/wall-clock.ts';
import { runCli } from './run-cli.ts';

/** However slow the machine, no answer of a sound shopfloor takes this long. */
const NEVER_MS = 60_000;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const start = async (options: Partial<ReferenceShopfloorOptions> = {}) => {
  const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, ...options });
  cleanups.push(() => shopfloor.stop());
  return shopfloor;
};

const judge = async (address: string, options: Partial<PartnerOptions> = {}) => {
  const partner = openPartner({
    ...{ address, clock: wallClock, newId: randomUUID, station: 'SMT', slowMs: NEVER_MS },
    ...{ unit: { 'serials.mlb_serial_number': 'STATIONGRID-CHECK-1' }, signal: new AbortController().signal },
    ...options,
  });
  const judged = await runChecks(partner, () => undefined);
  return new Map(judged.map(({ check, finding }) => [check.id, finding]));
};

const failuresOf = (findings: Awaited<ReturnType<typeof judge>>): readonly string[] =>
  [...findings].filter(([, { kind }]) => kind === 'failed').map(([id]) => id);

describe('the reference shopfloor', { timeout: 60_000 }, () => {
  it('passes every check', async () => {
    const { url } = await start();
    const findings = await judge(url);
    expect([...findings].filter(([, { kind }]) => kind !== 'passed')).toEqual([]);
    expect(findings.size).toBe(checks.length);
  });

  it.for([
    ['jsonrpc:', false],
    ['json:', true],
    ['json:jsonrpc:', true],
  ] as const)('passes every check that is not about XML, as %s', async ([prefix, jsonText]) => {
    const { url } = await start({ jsonText });
    const findings = await judge(prefix + url);
    expect([...findings].filter(([, { kind }]) => kind !== 'passed').map(([id]) => id)).toEqual([
      ...['rpc2-path', 'reply-value-tags', 'post-wipe'],
    ]);
  });

  it('sees one unit at one station, in an order that its journal approves', async () => {
    const shopfloor = await start();
    await judge(shopfloor.url);
    const check = (await (await fetch(`${shopfloor.url}control/check`)).json()) as { orderViolations: unknown[] };
    expect(check.orderViolations).toEqual([]);
    const lines = await shopfloor.journal.lines();
    expect(new Set(lines.map(({ device }) => device))).toEqual(new Set([null, 'STATIONGRID-CHECK-1']));
  });
});

describe('a planted defect fails its check and no other', { timeout: 60_000 }, () => {
  const planted: Readonly<Record<DefectName, readonly string[]>> = {
    'lacks-a-method': ['method-NotifyEnd'],
    'no-version': ['get-version'],
    'named-arguments': ['positional-arguments'],
    'rejects-nil': ['nil'],
    'rejects-types': ['types'],
    'answers-nil': ['reply-struct'],
    'answers-text': ['reply-struct'],
    'bare-values': ['reply-value-tags'],
    'wants-value-tags': ['post-wipe'],
    'faults-by-status': ['fault-status'],
    'silent-faults': ['fault-words'],
    'faults-repeats': ['repeat-answer'],
    'one-at-a-time': ['concurrency'],
    'no-http-1.0': ['http-1.0'],
    'cuts-kept-connections': ['keep-alive'],
    'small-bodies': ['big-payload'],
    'only-root': ['rpc2-path'],
  };

  it.for(DEFECT_NAMES)('%s', async (defect) => {
    const { url } = await start({ defects: [defect] });
    expect(failuresOf(await judge(url))).toEqual(planted[defect]);
  });

  it('a forgotten key', async () => {
    const { url } = await start({ remembersKeys: false });
    expect(failuresOf(await judge(url))).toEqual(['repeat-memory']);
  });

  it('answers that come late', async () => {
    const { url } = await start({ faults: [{ kind: 'slow', method: 'UpdateTestResult', ms: 50 }] });
    expect(failuresOf(await judge(url, { slowMs: 20 }))).toEqual(['latency']);
  });

  it.for([
    [{ action: 're-run' }, ['reply-keys'], 'UpdateTestResult answered the key action'],
    [{ result: 'OK' }, ['reply-keys'], 'UpdateTestResult answered the key result'],
    [{ 'component.has_camera': 'yes' }, ['reply-values'], 'component.has_camera, which is neither a boolean'],
    [{ 'vpd.ro.region': 7 }, ['reply-values'], 'vpd.ro.region, which is not a string'],
    [{ 'factory.unheard_of': null }, ['reply-values'], 'deletes a key that the device does not have'],
  ] as const)('an answer of %j', async ([reply, expected, words]) => {
    const { url } = await start({ replies: { deviceData: { UpdateTestResult: reply } } });
    const findings = await judge(url);
    expect(failuresOf(findings)).toEqual(expected);
    expect(findings.get(expected[0])?.saw).toContain(words);
  });

  it('a service that knows real units only, once and with its words', async () => {
    const says = { kind: 'fault', code: -7, text: 'Traceback…\nunit is not routed' } as const;
    const { url } = await start({
      faults: [
        { ...says, method: 'NotifyStart' },
        { ...says, method: 'UpdateTestResult' },
      ],
    });
    const findings = await judge(url);
    expect(failuresOf(findings)).toEqual(['positional-arguments']);
    expect(findings.get('positional-arguments')?.saw).toBe('fault -7: unit is not routed');
  });

  it('something that is no shopfloor, and asks it nothing more', async () => {
    let requests = 0;
    const server = http.createServer((_request, response) => {
      requests += 1;
      response.end('<html>It works!</html>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => (server.closeAllConnections(), server.close()));
    const findings = await judge(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    expect(failuresOf(findings)).toEqual(['speaks']);
    expect(requests).toBe(1);
  });

  it('nothing at all when the time is over', async () => {
    const { url } = await start();
    const findings = await judge(url, { signal: AbortSignal.abort() });
    expect(new Set([...findings.values()].map(({ kind }) => kind))).toEqual(new Set(['skipped']));
  });
});

describe('stationgrid shopfloor check', { timeout: 60_000 }, () => {
  it('prints a table and exits with 0 for a sound service', async () => {
    const { url } = await start();
    const { code, stdout, stderr } = await runCli(['shopfloor', 'check', url, '--slow', '60s']);
    expect(stdout).toMatch(/^CHECK +LEVEL +VERDICT/);
    expect(stdout).toContain(`${String(checks.length)} passed, 0 failed, 0 skipped.`);
    expect(stderr).toContain('STATIONGRID-CHECK-');
    expect(code).toBe(0);
  });

  it('says why and how to mend, and exits with 1 for a must', async () => {
    const { url } = await start({ defects: ['rejects-nil'] });
    const { code, stdout } = await runCli(['shopfloor', 'check', url]);
    expect(stdout).toMatch(/^nil +must +FAILED/m);
    expect(stdout).toContain('  Saw:   fault -32602: nil is not supported');
    expect(stdout).toContain('allow_none=True');
    expect(code).toBe(1);
  });

  it('tells programs all of it; a should counts with --strict only', async () => {
    const { url } = await start({ defects: ['only-root'] });
    const words = ['shopfloor', 'check', url, '--slow', '60s', '-o', 'json'];
    const lenient = await runCli(words);
    expect(lenient.code).toBe(0);
    const told = JSON.parse(lenient.stdout) as { failed: number; checks: { id: string; verdict: string }[] };
    expect(told.failed).toBe(1);
    expect(told.checks.find(({ id }) => id === 'rpc2-path')).toMatchObject({ verdict: 'failed', level: 'should' });
    expect((await runCli([...words, '--strict'])).code).toBe(1);
  });

  it.for([
    [['http://127.0.0.1:1/'], 4, 'no shopfloor answers at http://127.0.0.1:1/'],
    [['wsdl:http://mes.example/'], 2, 'SOAP'],
    [['journal.jsonl', '--strict'], 2, '--strict is for services'],
    [['http://127.0.0.1:1/', '--ended'], 2, '--ended is for journals'],
  ] as const)('%j ends with %i', async ([words, expected, said]) => {
    const { code, stderr } = await runCli(['shopfloor', 'check', ...words]);
    expect(stderr).toContain(said);
    expect(code).toBe(expected);
  });

  it('says that the time was over', async () => {
    const { url } = await start({ faults: [{ kind: 'slow', ms: 3_600_000 }] });
    const { code, stdout } = await runCli(['shopfloor', 'check', url, '--timeout', '1s', '-o', 'json']);
    expect(stdout).toContain('the time was over');
    expect(code).toBe(5);
  });
});
