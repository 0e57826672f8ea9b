// Writes the bill of materials of what is shipped, as CycloneDX, to the file that is named, or to standard output.
//
// `npm sbom --omit dev` leaves out what building needs as well as running (npm 11). So it is asked about a copy of the lock
// without what is only for building.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BILL_BYTES_MAX = 64 * 1024 * 1024;

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const manifest = { ...read('package.json'), scripts: {}, devDependencies: {} };
const lock = read('package-lock.json');
const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true);

const base = mkdtempSync(join(tmpdir(), 'stationgrid-sbom-'));
try {
  // npm names the bill by its folder.
  const folder = join(base, manifest.name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const packages = { '': { ...lock.packages[''], devDependencies: {} }, ...Object.fromEntries(shipped) };
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
  const words = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  const { status, stdout, stderr, error } = spawnSync('npm', words, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: BILL_BYTES_MAX,
  });
  if (status !== 0) throw new Error(`npm sbom could not read the lock file: ${error?.message ?? stderr}`);
  const [file] = process.argv.slice(2);
  if (file === undefined) process.stdout.write(stdout);
  else writeFileSync(file, stdout);
} finally {
  rmSync(base, { recursive: true });
}
