/** PostgreSQL as Debian has it, with the tools that the packaged one lacks: servers for drills, and pg_dump and its like. */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { chooseLauncher, type Launcher } from '../../src/store/embedded/launcher.ts';
import { debianPackage } from './debian.ts';
import { eventually } from './farm-site.ts';

const run = promisify(execFile);

/** Of the Debians that are about: the newest that can be had. */
const VERSIONS = ['17', '15'];
/** What the drills run. Versions of one kind, or pg_dump refuses. */
const TOOLS = ['initdb', 'postgres', 'pg_ctl', 'pg_basebackup', 'pg_dump', 'pg_restore', 'createdb'] as const;
type Tool = (typeof TOOLS)[number];

export type DebianPostgres = Awaited<ReturnType<typeof openAt>>;

/** Installed ones first; otherwise unpacked packages, if they run here. Close it, and all its servers are gone. */
export async function openDebianPostgres(): Promise<DebianPostgres | { readonly skip: string }> {
  const found = (await installed()) ?? (await unpacked());
  return 'skip' in found ? found : openAt(found);
}

type Found = { readonly path: (tool: Tool) => string; readonly env: Readonly<Record<string, string>> };

async function installed(): Promise<Found | null> {
  for (const bin of globSync('/usr/lib/postgresql/*/bin').sort().reverse()) {
    if (TOOLS.every((tool) => existsSync(join(bin, tool)))) return { path: (tool) => join(bin, tool), env: {} };
  }
  return Promise.resolve(null);
}

async function unpacked(): Promise<Found | { readonly skip: string }> {
  let why = 'none was asked for';
  for (const version of VERSIONS) {
    const folders: string[] = [];
    for (const name of [`postgresql-${version}`, `postgresql-client-${version}`, 'libpq5']) {
      const folder = await debianPackage(name);
      if (typeof folder === 'string') folders.push(folder);
      else why = folder.skip;
    }
    const [server = '', client = '', library] = folders;
    if (library === undefined) continue;
    const bins = [server, client].map((folder) => join(folder, 'usr/lib/postgresql', version, 'bin'));
    const path = (tool: Tool): string => bins.map((bin) => join(bin, tool)).find((file) => existsSync(file)) ?? tool;
    const env = { LD_LIBRARY_PATH: globSync(join(library, 'usr/lib/*-linux-gnu')).join(':') };
    try {
      for (const tool of TOOLS) await run(path(tool), ['--version'], { env });
      return { path, env };
    } catch (error) {
      why = `PostgreSQL ${version} of Debian does not run here: ${String(error)}`;
    }
  }
  return { skip: why };
}

const SUPERUSER = 'postgres';
const PORT = 5432;

async function openAt({ path, env }: Found) {
  // Short, for the path of a socket; named so that the next run clears away what a killed one left behind.
  const folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-pg-`));
  const launcher = chooseLauncher(
    { folder: join(path('initdb'), '..'), initdb: path('initdb'), postgres: path('postgres') },
    folder,
  );
  chmodSync(folder, 0o711);
  const tool = (name: Tool, words: readonly string[]): Promise<{ readonly stdout: string }> => {
    const [program = '', ...rest] = [...launcher.prefix, path(name), ...words];
    return run(program, rest, {
      ...launcher.identity,
      cwd: '/',
      env: { PATH: process.env['PATH'], LC_ALL: 'C', ...env },
    });
  };
  const servers = new Set<DebianServer>();
  const server = (name: string): DebianServer => {
    const opened = serverIn(join(folder, name), { tool, path, env, launcher });
    servers.add(opened);
    return opened;
  };
  return {
    folder,
    /** For a shell: where its tools are, and what they need. */
    env: { ...env, PATH: join(path('pg_dump'), '..') },
    tool,
    /** A server that was not made yet: `found` makes an empty one, pg_basebackup a copy, into its `data`. */
    server,
    close: async (): Promise<void> => {
      await Promise.all([...servers].map((each) => each.stop()));
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

export type DebianServer = ReturnType<typeof serverIn>;

type With = Found & {
  readonly tool: (name: Tool, words: readonly string[]) => Promise<unknown>;
  readonly launcher: Launcher;
};

function serverIn(folder: string, { tool, path, env, launcher }: With) {
  const data = `${folder}-data`;
  const sockets = `${folder}-socket`;
  const url = (database: string): string =>
    `postgresql://${SUPERUSER}@localhost:${PORT}/${database}?host=${encodeURIComponent(sockets)}`;
  let ended: Promise<unknown> | null = null;
  let pid: number | undefined;
  return {
    data,
    sockets,
    url,
    found: () => tool('initdb', ['-D', data, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']),
    /** Resolves when it lets somebody in; a standby does so as well. */
    start: async (): Promise<void> => {
      if (!existsSync(sockets)) await run('install', ['-d', '-m', '0755', '-o', String(launcher.owner.uid), sockets]);
      const settings = ['listen_addresses=', `unix_socket_directories=${sockets}`, `port=${PORT}`];
      const words = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
      const [program = '', ...rest] = [...launcher.prefix, path('postgres'), ...words];
      const child = spawn(program, rest, {
        ...launcher.identity,
        cwd: '/',
        env: { LC_ALL: 'C', ...env },
        stdio: 'ignore',
      });
      pid = child.pid;
      ended = new Promise((resolve) => child.once('exit', resolve));
      await eventually(() => query(url('postgres'), 'select'));
    },
    query: (statement: string, database = 'postgres') => query(url(database), statement),
    promote: () => tool('pg_ctl', ['promote', '-D', data, '-w']),
    /** As a machine that burns: nothing is written any more. */
    kill: async (): Promise<void> => {
      if (ended === null) return;
      await tool('pg_ctl', ['stop', '-D', data, '-m', 'immediate']);
      await ended;
      ended = null;
    },
    stop: async (): Promise<void> => {
      if (ended === null || pid === undefined) return;
      process.kill(pid, 'SIGINT');
      await ended;
      ended = null;
    },
  };
}

async function query(url: string, statement: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return client
    .query(statement)
    .then(({ rows }) => rows as Record<string, unknown>[])
    .finally(() => client.end());
}
