/**
 * A process that runs seeds, one at a time, as its parent asks: `worker.ts SERVER_URL CORE [PLANTED_BUG]`. A planted bug must be
 * in place before the farm's modules are loaded, which is why they are imported here and not at the top.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { SeedRun } from './run-seed.ts';

// Loading the farm takes as long as a seed. What a bug changes has another text, and is compiled anew.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url)));

const [url = '', core = '0', bug] = process.argv.slice(2);
if (bug !== undefined) {
  const { plant } = await import('./plant.ts');
  plant(bug);
}
const [{ joinSimServer }, { runSeed }] = [await import('./sim-server.ts'), await import('./run-seed.ts')];
// Its end is a kill.
flushCompileCache();
const server = await joinSimServer(url, Number(core));

process.on('message', (run: SeedRun) => {
  runSeed(server, run).then(
    (result) => process.send?.({ result }),
    (error: unknown) =>
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
