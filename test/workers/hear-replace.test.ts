/** SIGUSR2 at the real command while it prepares its database, which here never answers. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { startCli } from '../cli/run-cli.ts';

test.for([1, 3])('a farm of %j workers that has none yet to replace says so, and goes on', async (workers) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const database = `postgresql://nobody@127.0.0.1:${address.port}/none`;
  const called = once(silent, 'connection');
  const farm = startCli(['serve', '--workers', String(workers), '--database', database]);
  const ended = once(farm, 'exit');
  const lines = createInterface({ input: farm.stderr! });
  const said = (async () => {
    for await (const line of lines) if (line.includes('there are no workers to replace')) return line;
    return null;
  })();
  await called;
  farm.kill('SIGUSR2');
  expect(await said).not.toBeNull();
  farm.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
  silent.close();
});
