/** The chaos command as a person runs it, for 90 s and from one seed. What it looks for is in judge.ts. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Report } from './report.ts';

const COMMAND = fileURLToPath(new URL('./main.ts', import.meta.url));
const SECONDS = 90;
const SEED = 1;
/** The rest must be done at some time; how soon is for machines with nothing else to do. */
const DRAIN_SECONDS = 240;
/**
 * On a machine so busy, replicas starve one by one: one that gets no processor for a ttl, with others at work beside it, is
 * to them a replica that is gone, and so are its bots. Who is lost then was lost by the machine.
 */
const STARVING_LOAD = 4;
/** Ends what hangs. */
const TIMEOUT_MS = 1_500_000;

const run = (
  ...words: string[]
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [COMMAND, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('close', (code) => resolve({ code, out, err }));
  });

test(
  'a farm keeps its promises while everything under it is killed, frozen, cut off and lied to',
  { timeout: TIMEOUT_MS },
  async () => {
    const flags = ['--seconds', SECONDS, '--seed', SEED, '--drain-seconds', DRAIN_SECONDS, '--json'].map(String);
    const { code, out, err } = await run(...flags);
    const report = JSON.parse(out || '{}') as Report;
    for (const line of err.split('\n').filter((said) => said.startsWith('skipped:'))) process.stdout.write(`${line}\n`);
    const { jobs, calls, fencedZombies, drainedSeconds, loadPerCore } = report;
    process.stdout.write(
      `${jobs} jobs and ${calls} calls went through, ${fencedZombies} zombies were fenced, drained in ${drainedSeconds} s\n`,
    );
    const isStarved = loadPerCore > STARVING_LOAD;
    if (isStarved) process.stdout.write(`load ${loadPerCore} a processor: who was declared lost is not judged\n`);
    const { expiriesOfOurs, ...wrong } = report.wrong;
    const { expiriesOfOurs: lost = [], ...words } = report.words;
    // Its own words, should there be any; and what it said besides, should it have failed otherwise.
    expect({ words, lost: isStarved ? [] : lost, err: [0, 1].includes(code ?? -1) ? '' : err }).toEqual({
      ...{ words: {}, lost: [], err: '' },
    });
    expect(report).toMatchObject({ seed: SEED, seconds: SECONDS, bots: 50, replicas: 3 });
    expect(Object.values(wrong)).toEqual(Object.values(wrong).map(() => 0));
    expect(fencedZombies).toBeGreaterThan(0);
    expect(code).toBe(isStarved && expiriesOfOurs > 0 ? 1 : 0);
  },
);

test('flags that make no sense are said to be so, and nothing is started', async () => {
  expect(await run('--bots', 'many')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('whole number') });
});
