/** pgbench as Debian has it, on the bench's own server: what PostgreSQL does when a C program asks it. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianPackage } from '../support/debian.ts';
import { NoBaseline } from './measure.ts';

const run = promisify(execFile);

/** Of the Debians that are about: the newest that can be had. The server is another; its protocol is the same. */
const VERSIONS = ['17', '15'];

export type Pgbench = {
  /** Transactions a second, in runs of the script by this many connections, prepared. */
  readonly perSecond: (given: {
    readonly url: string;
    readonly scriptPath: string;
    readonly connections: number;
    readonly seconds: number;
    /** Its variables at the start, the same for every connection. */
    readonly variables?: Readonly<Record<string, string>>;
  }) => Promise<number>;
};

/** @throws NoBaseline where Debian's package cannot be had and none is installed. */
export const openPgbench = async (): Promise<Pgbench> => {
  const { path, env } = installed() ?? (await unpacked());
  return {
    perSecond: async ({ url, scriptPath, connections, seconds, variables = {} }) => {
      const defined = Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`]);
      const { stdout } = await run(
        path,
        [
          ...['--no-vacuum', '--protocol', 'prepared', '--client', String(connections), '--time', String(seconds)],
          // One thread asks for all connections, as one Node does.
          ...['--jobs', '1', '--file', scriptPath, ...defined, url],
        ],
        { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 },
      );
      return toRate(stdout);
    },
  };
};

/** What pgbench says of its own run; connecting is not counted. */
export function toRate(said: string): number {
  const [, rate] = /^tps = ([\d.]+) \(without initial connection time\)$/m.exec(said) ?? [];
  const [, failed = '0'] = /^number of failed transactions: (\d+)/m.exec(said) ?? [];
  if (rate === undefined || failed !== '0') throw new Error(`pgbench did not run as it should:\n${said}`);
  return Number(rate);
}

type Found = { readonly path: string; readonly env: Readonly<Record<string, string>> };

const installed = (): Found | null => {
  const [path] = globSync('/usr/lib/postgresql/*/bin/pgbench').sort().reverse();
  return path === undefined ? null : { path, env: {} };
};

const unpacked = async (): Promise<Found> => {
  let why = 'none was asked for';
  for (const version of VERSIONS) {
    const server = await debianPackage(`postgresql-${version}`);
    const library = await debianPackage('libpq5');
    if (typeof server !== 'string' || typeof library !== 'string') {
      why = [server, library].flatMap((each) => (typeof each === 'string' ? [] : [each.skip])).join('; ');
      continue;
    }
    const path = join(server, 'usr/lib/postgresql', version, 'bin/pgbench');
    const env = { LD_LIBRARY_PATH: globSync(join(library, 'usr/lib/*-linux-gnu')).join(':') };
    if (existsSync(path)) return { path, env };
    why = `Debian's postgresql-${version} has no pgbench`;
  }
  throw new NoBaseline(
    `There is no pgbench to compare with: ${why}. Install one, or run the bench where apt can fetch it.`,
  );
};

/** The script as a file, where the site keeps its things. */
export const keepScript = (folder: string, name: string, script: string): string => {
  const path = join(folder, `${name}.sql`);
  writeFileSync(path, script);
  return path;
};
