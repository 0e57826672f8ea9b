#!/usr/bin/env node
// The command: plain JavaScript, so that any Node can read it. A Node too old to run TypeScript hands over to the one
// that set-up installed beside us.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const lockedNode = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));

if (major > 22 || (major === 22 && minor >= 18)) {
  // Half of a short command's time is compiling. Where the folder cannot be written, all is compiled each time.
  enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url)));
  await import('./main.ts');
} else if (existsSync(lockedNode)) {
  const child = spawn(lockedNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both processes; a supervisor signals this one only.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.removeAllListeners();
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  });
} else {
  process.stderr.write(
    `stationgrid needs Node 22.18 or newer, this is ${process.version}. ` +
      'Run `npm run set-up` in the clone, or install a current Node from https://nodejs.org.\n',
  );
  process.exit(78);
}
