import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { BotStatus, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { active, pending, ScriptedFarm, stationResult, told } from './scripted-farm.ts';

const folder = mkdtempSync(join(tmpdir(), 'stationgrid-bot-'));
afterAll(() => rmSync(folder, { recursive: true }));

let farm: ScriptedFarm;
let door: { address: string; stop: () => void };
const kills: (() => void)[] = [];
beforeEach(async () => {
  farm = new ScriptedFarm();
  door = await farm.serve();
});
afterEach(() => {
  door.stop();
  for (const kill of kills.splice(0)) kill();
});

function startProcess(...flags: string[]) {
  const child = spawn(process.execPath, ['bot/stationgrid-bot.mjs', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  kills.push(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const exit = once(child, 'close').then(([code]) => ({ code: code as number | null, said }));
  return { child, exit };
}

/** A station of one command that says that it runs by reporting its first test, and ends when the pipe is written to. */
const gated = (name: string) => ({
  station: 'SMT',
  tests: [
    {
      testId: 'SMT.First',
      run: { $case: 'command', value: { argv: ['/usr/bin/mkfifo', name], workingDirectory: folder } },
    },
    { testId: 'SMT.Gate', run: { $case: 'command', value: { argv: ['/bin/cat', name], workingDirectory: folder } } },
  ] as const,
});

async function untilReported(): Promise<void> {
  await expect.poll(() => farm.reports.length, { timeout: 30_000 }).toBeGreaterThan(0);
}

/** Answers whatever the bot says in between, until it is leaving and its leases read as expected. */
async function untilLeaving(...leases: string[]) {
  for (;;) {
    const call = await farm.next();
    const isLeaving = call.session.status === BotStatus.BOT_TERMINATING;
    if (isLeaving && told(call.session).join() === leases.join()) return call;
    call.reply(call.session.leases.filter(({ state }) => state === LeaseState.ACTIVE));
  }
}

test('SIGTERM: finishes what runs, delivers it, says goodbye, exits 0', async () => {
  const { child, exit } = startProcess('--server', door.address, '--bot-id', 'b1', '--serial', 'mlb_serial_number=M1');
  (await farm.next()).reply([pending('L', gated('drain'))]);
  (await farm.next()).reply([active('L')]);
  await untilReported();
  child.kill('SIGTERM');
  (await untilLeaving('L ACTIVE')).reply([active('L')]);
  // The gate opens only now: the work was still running when the bot had said that it leaves.
  await writeFile(join(folder, 'drain'), 'go\n');
  const completing = await untilLeaving('L COMPLETED 0');
  const reported = farm.reports.flatMap(({ results }) => results);
  const delivered = [...reported, ...stationResult(completing.session).results];
  expect(new Set(delivered.map(({ testId }) => testId))).toEqual(new Set(['SMT.First', 'SMT.Gate']));
  completing.reply();
  (await untilLeaving()).reply();
  expect((await exit).code).toBe(0);
});

test('SIGTERM twice: stops what runs, and says so', async () => {
  const { child, exit } = startProcess('--server', door.address, '--bot-id', 'b1');
  (await farm.next()).reply([pending('L', gated('twice'))]);
  (await farm.next()).reply([active('L')]);
  await untilReported();
  child.kill('SIGTERM');
  (await untilLeaving('L ACTIVE')).reply([active('L')]);
  child.kill('SIGTERM');
  (await untilLeaving('L COMPLETED 14')).reply();
  (await untilLeaving()).reply();
  expect((await exit).code).toBe(0);
});

test('SIGHUP: its terminal is gone, so it stops what runs, and leaves no test behind', async () => {
  const { child, exit } = startProcess('--server', door.address, '--bot-id', 'b1');
  (await farm.next()).reply([pending('L', gated('hangup'))]);
  (await farm.next()).reply([active('L')]);
  await untilReported();
  child.kill('SIGHUP');
  (await untilLeaving('L COMPLETED 14')).reply();
  (await untilLeaving()).reply();
  expect((await exit).code).toBe(0);
});

test('SIGTERM with nothing undelivered, when the farm is gone: exits 0', async () => {
  const { child, exit } = startProcess('--server', door.address, '--bot-id', 'b1');
  (await farm.next()).reply();
  await farm.next();
  door.stop();
  child.kill('SIGTERM');
  expect((await exit).code).toBe(0);
});

test('a farm that refuses it: exit 78, with the words of the farm', async () => {
  const { exit } = startProcess('--server', door.address, '--instance', 'nowhere');
  (await farm.next()).fail(3, 'There is no instance "nowhere".');
  expect(await exit).toEqual({ code: 78, said: expect.stringContaining('There is no instance') });
});

// prettier-ignore
test.each<[string[], number, string]>([
  [['--help'],                0,  'Exit codes'],
  [['--capacity', 'many'],    64, '"many" is not a whole number.'],
  [['--property', 'pool'],    64, '"pool" is not name=value.'],
  [['--server', ' ,, '],      64, 'write host:port, or several with commas between'],
  [['--sever', 'x'],          64, 'Did you mean --server?'],
])('%s', async (flags, code, words) => {
  expect(await startProcess(...flags).exit).toEqual({ code, said: expect.stringContaining(words) });
});
