/** Programs that are Go modules: compiled once by the Go that is at hand, into the clone's cache, never installed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../.cache/go/', import.meta.url));

/** Helm takes four minutes on two cores when nothing of it is there. */
const COMPILE_MS = 1_200_000;

/**
 * The program that `go install` makes of `module@version`. Or, where there is no Go or no proxy, why the test is to be
 * skipped: `if (typeof helm !== 'string') context.skip(helm.skip)`.
 */
export async function goTool(module: string, version: string): Promise<string | { readonly skip: string }> {
  const name = module.split('/').at(-1) ?? module;
  const folder = join(cache, `${name}@${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'compiling-'));
  try {
    const env = { ...process.env, GOBIN: work, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };
    await run('go', ['install', `${module}@${version}`], { cwd: work, env, timeout: COMPILE_MS });
    const [made] = await readdir(work);
    if (made === undefined) return { skip: `go install ${module}@${version} left no program` };
    // Whoever compiles first wins; a second one finds the folder there, and it is as good.
    await rename(work, folder).catch((error: unknown) => {
      if (!existsSync(program)) throw error;
    });
    return program;
  } catch (error) {
    const told = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const words = (told === '' ? String(error) : told).split('\n').at(-1) ?? '';
    return { skip: `${module}@${version} cannot be compiled here: ${words}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The folder of a module as it was published, for files in it that are no programs. Go keeps it in its own cache. */
export async function goModule(module: string, version: string): Promise<string | { readonly skip: string }> {
  await mkdir(cache, { recursive: true });
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', `${module}@${version}`], { cwd: cache });
    return toDownloaded(JSON.parse(stdout)).Dir;
  } catch (error) {
    return { skip: `${module}@${version} cannot be downloaded here: ${String(error).split('\n')[0] ?? ''}` };
  }
}

function toDownloaded(told: unknown): { readonly Dir: string } {
  return told as { readonly Dir: string };
}
