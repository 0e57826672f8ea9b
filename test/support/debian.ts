/** Programs that are no npm packages, from the Debian that the tests run on: downloaded once, unpacked, never installed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../.cache/debian/', import.meta.url));

/** A mirror that says nothing for this long is no mirror. */
const APT_MS = 180_000;

/**
 * The folder into which the package is unpacked, as if it were `/`; what it depends on is not fetched. Or, where apt
 * cannot give it, why the test is to be skipped: `if (typeof folder !== 'string') context.skip(folder.skip)`.
 */
export async function debianPackage(name: string): Promise<string | { readonly skip: string }> {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetching-'));
  try {
    await download(name, work);
    const archive = (await readdir(work)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) return { skip: `apt-get download ${name} left no file` };
    await run('dpkg', ['-x', join(work, archive), join(work, 'root')]);
    // Whoever unpacks first wins; a second one finds the folder there, and it is as good.
    await rename(join(work, 'root'), folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
    return folder;
  } catch (error) {
    return { skip: `Debian's package ${name} cannot be had here: ${wordsOf(error)}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A fresh machine has no lists of packages yet; only root may fetch them. */
async function download(name: string, folder: string): Promise<void> {
  const options = { cwd: folder, timeout: APT_MS };
  try {
    await run('apt-get', ['download', name], options);
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await run('apt-get', ['update'], options);
    await run('apt-get', ['download', name], options);
  }
}

function wordsOf(error: unknown): string {
  const told = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return (told === '' ? String(error) : told).split('\n').at(-1) ?? '';
}
