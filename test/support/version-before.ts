/**
 * The version before this one, ready to run: its files from the clone's own history, and the packages that it was locked
 * to. `test/upgrade/version-before.txt` names its commit, and is moved forward at each release.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isSatisfied, toLock } from './lock-file.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = join(root, '.cache', 'upgrade');

/** npm on a slow line; what takes longer hangs. */
const NPM_MS = 600_000;

export interface VersionBefore {
  readonly commit: string;
  /** Its `stationgrid`, to be run by Node. */
  readonly command: string;
  /** How many migrations it knows. */
  readonly migrations: number;
}

/**
 * Checked out once for each commit, into the clone's cache.
 * @throws when the clone's history does not reach the commit: an upgrade that was not tried is not a passed test.
 */
export async function versionBefore(): Promise<VersionBefore> {
  const commit = readFileSync(new URL('../upgrade/version-before.txt', import.meta.url), 'utf8').trim();
  const folder = join(cache, commit);
  if (!existsSync(folder)) await whole(folder, (draft) => checkOut(commit, draft));
  if (!isServedByOurs(folder)) await setUp(folder);
  const migrations = readdirSync(join(folder, 'src', 'store', 'migrations')).length;
  return { commit, command: join(folder, 'src', 'cli', 'stationgrid.mjs'), migrations };
}

async function checkOut(commit: string, folder: string): Promise<void> {
  const archive = join(folder, 'files.tar');
  await run('git', ['archive', '--format=tar', `--output=${archive}`, commit], { cwd: root }).catch(
    (cause: unknown) => {
      throw new Error(
        `The version before, ${commit}, is not in this clone's history, so no upgrade from it can be tried. ` +
          'Fetch all of it (git fetch --unshallow), or mend test/upgrade/version-before.txt.',
        { cause },
      );
    },
  );
  await run('tar', ['-xf', archive, '-C', folder]);
  rmSync(archive);
}

/**
 * Its folder lies inside the clone, so Node finds our packages for it unless it has its own. Where each package that it
 * was locked to lies here at the same place with the same hash, those are the same bytes, and nothing is fetched.
 */
function isServedByOurs(folder: string): boolean {
  const wanted = toLock(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  // What npm itself says that it has installed.
  const installed = toLock(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8'));
  return !existsSync(join(folder, 'node_modules')) && isSatisfied(wanted, installed);
}

/** Its own `npm ci`, and what else it needs; a second time costs a hash. */
async function setUp(folder: string): Promise<void> {
  await run(process.execPath, ['scripts/set-up.mjs'], { cwd: folder, timeout: NPM_MS });
}

/** Made aside and moved into place, so that a killed run leaves no half; of two at once, the first one's stays. */
async function whole(folder: string, make: (draft: string) => Promise<void>): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}-draft-`);
  try {
    await make(draft);
    try {
      renameSync(draft, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
