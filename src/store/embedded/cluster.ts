import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CannotStart } from '../../core/cannot-start.ts';
import type { PostgresBinaries } from './binaries.ts';
import type { EmbeddedFolder } from './folder.ts';
import { settleOwner } from './folder.ts';
import type { Launcher } from './launcher.ts';

/** Drafts this old belong to a start that was killed. */
const DRAFT_MAX_AGE_MS = 10 * 60_000;
/** The major version of the packaged binaries; a cluster of another cannot be served by them. */
const MAJOR_VERSION = '18';
export const SUPERUSER = 'postgres';

const run = promisify(execFile);

export interface ClusterOptions {
  readonly folder: EmbeddedFolder;
  readonly binaries: PostgresBinaries;
  readonly launcher: Launcher;
  readonly now: Date;
  /** A short unique name for this start's draft. */
  readonly draftName: string;
  /** False only in tests: a power cut may then lose the new cluster. */
  readonly isDurable: boolean;
}

/**
 * Makes the database cluster where there is none. It is drafted aside and moved into place whole, so that a killed start
 * leaves no half cluster, and of two farms that start at once the second finds the first's.
 */
export async function ensureCluster(options: ClusterOptions): Promise<void> {
  const { folder, launcher } = options;
  if (!existsSync(folder.cluster)) await makeCluster(options);
  const version = readFileSync(join(folder.cluster, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR_VERSION) {
    throw new CannotStart(
      `The database in ${folder.cluster} is of PostgreSQL ${version}, and the packaged one is ${MAJOR_VERSION}. ` +
        'Start the StationGrid release that made it, dump it with pg_dump, and load the dump into a new data directory.',
    );
  }
  if (!existsSync(folder.postmasterPid)) settleOwner(folder.cluster, launcher.owner);
}

async function makeCluster({ folder, binaries, launcher, now, draftName, isDurable }: ClusterOptions): Promise<void> {
  removeOldDrafts(folder, now);
  const draft = join(folder.path, `draft-${draftName}`);
  const words = [
    ...['--pgdata', draft, '--username', SUPERUSER, '--encoding', 'UTF8', '--no-instructions'],
    // The same order and case on every machine, whatever locales it has.
    ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8', '--locale', 'C'],
    // The socket's folder is open to its owner alone: whoever gets that far may come in.
    ...['--auth-local', 'trust', '--auth-host', 'reject'],
    ...(isDurable ? [] : ['--no-sync']),
  ];
  const [program = '', ...rest] = [...launcher.prefix, binaries.initdb, ...words];
  try {
    await run(program, rest, { ...launcher.identity, cwd: '/', env: { PATH: process.env['PATH'], LC_ALL: 'C' } });
    renameSync(draft, folder.cluster);
  } catch (cause) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(folder.cluster)) return;
    throw new CannotStart(
      `The database could not be made in ${folder.path}: ${toStderr(cause)}. ` +
        'Make room or mend the permissions there, or choose another data directory with --data.',
      { cause },
    );
  }
}

function removeOldDrafts({ path }: EmbeddedFolder, now: Date): void {
  for (const name of readdirSync(path).filter((entry) => entry.startsWith('draft-'))) {
    const found = statSync(join(path, name), { throwIfNoEntry: false });
    if (found === undefined || now.getTime() - found.mtimeMs < DRAFT_MAX_AGE_MS) continue;
    rmSync(join(path, name), { recursive: true, force: true });
  }
}

/** What the program said; what Node said when it said nothing. */
function toStderr(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : '';
  return said === '' ? error.message : said.replaceAll(/\s*\n\s*/g, ' ');
}
