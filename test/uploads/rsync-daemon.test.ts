/** A real rsync, where Debian's can be had, as the daemon of a farm and as the DUT. */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, type TestContext } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { closeLogs } from '../../src/uploads/forgotten.ts';
import { keepRsyncDaemon, type RsyncDaemon } from '../../src/uploads/rsync-daemon.ts';
import { debianPackage } from '../support/debian.ts';
import { eventually, freePort } from '../support/farm-site.ts';
import { wallClock } from '../support/wall-clock.ts';

const run = promisify(execFile);

let folder: string;
let daemons: RsyncDaemon[];
let said: { readonly facts: Readonly<Record<string, unknown>>; readonly sentence: string }[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-rsync-`));
  [daemons, said] = [[], []];
});
afterEach(async () => {
  for (const daemon of daemons) await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** With the libraries that it needs, from the same place. */
const rsyncOf = async (context: TestContext): Promise<string> => {
  const found: string[] = [];
  for (const name of ['rsync', 'libpopt0', 'libxxhash0']) {
    const unpacked = await debianPackage(name);
    if (typeof unpacked !== 'string') return context.skip(unpacked.skip);
    found.push(unpacked);
  }
  const libraries = found.flatMap((each) => ['x86_64', 'aarch64'].map((cpu) => join(each, `usr/lib/${cpu}-linux-gnu`)));
  const program = join(folder, 'rsync');
  writeFileSync(
    program,
    `#!/bin/sh\nLD_LIBRARY_PATH='${libraries.join(':')}' exec '${join(found[0] ?? '', 'usr/bin/rsync')}' "$@"\n`,
  );
  chmodSync(program, 0o755);
  return program;
};

const keep = async (
  program: string,
  port: number,
  limits: Partial<typeof defaultLimits.logSync> = {},
): Promise<RsyncDaemon> => {
  const note = (facts: Readonly<Record<string, unknown>>, sentence: string) => void said.push({ facts, sentence });
  const daemon = await keepRsyncDaemon({
    program,
    address: { host: '127.0.0.1', port },
    folder,
    limits: { ...defaultLimits.logSync, backoffMinMs: 1, backoffMaxMs: 1, ...limits },
    clock: wallClock,
    random: () => 0,
    log: { info: note, warn: note },
  });
  daemons.push(daemon);
  return daemon;
};

const pidOf = (): number => Number(readFileSync(join(folder, 'rsyncd.pid'), 'utf8'));

test('takes the logs of a DUT, gives none of them away, and is there again after it was killed', async (context) => {
  const program = await rsyncOf(context);
  const port = await freePort();
  await keep(program, port);
  const logs = join(folder, 'on-the-dut');
  mkdirSync(logs);
  writeFileSync(join(logs, 'messages'), 'one\n');
  const url = `rsync://127.0.0.1:${port}/system_logs`;
  const sync = () => run(program, ['-a', '--timeout=20', `${logs}/`, `${url}/device-7`]);
  await eventually(sync);
  const taken = join(folder, 'log/dut_upload/device-7/messages');
  expect(readFileSync(taken, 'utf8')).toBe('one\n');
  await expect(run(program, ['-a', `${url}/device-7/messages`, join(folder, 'stolen')])).rejects.toThrow();
  await expect(run(program, ['-a', '--delete', `${logs}/`, `${url}/device-7`])).rejects.toThrow();
  expect(existsSync(join(folder, 'stolen'))).toBe(false);

  process.kill(pidOf(), 'SIGKILL');
  writeFileSync(join(logs, 'messages'), 'one\ntwo\n');
  await eventually(sync);
  expect(readFileSync(taken, 'utf8')).toBe('one\ntwo\n');
  expect(said.map(({ sentence }) => sentence)).toContainEqual(expect.stringContaining('is started again'));
});

test('ends with the farm, and one that a killed farm left behind is ended by the next', async (context) => {
  const program = await rsyncOf(context);
  const port = await freePort();
  const settings = join(folder, 'rsyncd.conf');
  const first = await keep(program, port);
  await eventually(() => expect(pidOf()).toBeGreaterThan(1));
  await first.stop();
  expect(existsSync(join(folder, 'rsyncd.pid'))).toBe(false);
  const left = spawn(program, ['--daemon', '--no-detach', `--config=${settings}`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => left.once('exit', resolve));
  await eventually(() => expect(pidOf()).toBe(left.pid));
  await keep(program, port);
  await ended;
  await eventually(() => expect(pidOf()).not.toBe(left.pid));
});

test('takes nothing while there is no room, and what it says of itself is bounded', async (context) => {
  const program = await rsyncOf(context);
  const port = await freePort();
  await keep(program, port, { logBytesMax: 2000, logCheckMs: 5 });
  const logs = join(folder, 'on-the-dut');
  mkdirSync(logs);
  writeFileSync(join(logs, 'messages'), 'one\n');
  const sync = () => run(program, ['-a', '--timeout=20', `${logs}/`, `rsync://127.0.0.1:${port}/system_logs/device-7`]);
  await eventually(sync);
  await closeLogs(folder, true);
  writeFileSync(join(logs, 'messages'), 'one\ntwo\n');
  await expect(sync()).rejects.toThrow();
  const taken = join(folder, 'log/dut_upload/device-7/messages');
  expect(readFileSync(taken, 'utf8')).toBe('one\n');
  await closeLogs(folder, false);
  await sync();
  expect(readFileSync(taken, 'utf8')).toBe('one\ntwo\n');
  await eventually(async () => {
    await sync();
    expect(said.map(({ sentence }) => sentence)).toContainEqual(expect.stringContaining('begins anew'));
  });
  await eventually(() => expect(statSync(join(folder, 'rsyncd.log')).size).toBeLessThanOrEqual(2000));
  await sync();
});

test('where there is no rsync it says so, once, and is no trouble', async () => {
  const daemon = await keep(join(folder, 'no-such-rsync'), 1);
  await eventually(() => expect(said).toHaveLength(2));
  await daemon.stop();
  expect(said[1]?.sentence).toContain('rsync is not installed');
});
