// Compiles the farm and the bot to dist/, a folder that stands by itself: JavaScript, SQL, package.json. With the production
// dependencies beside it, it is what the image holds. A clone needs none of it: there Node strips the types. Nor are types
// judged here; `npm run check` does.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

fs.rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '--project', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

// What the compiler does not know: statements of SQL, which are read as files.
for (const path of fs.globSync('src/**/*.sql', { cwd: root })) {
  fs.mkdirSync(join(dist, dirname(path)), { recursive: true });
  fs.copyFileSync(join(root, path), join(dist, path));
}
for (const path of ['LICENSE', 'NOTICE']) fs.copyFileSync(join(root, path), join(dist, path));
