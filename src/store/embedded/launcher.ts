import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { CannotStart } from '../../core/cannot-start.ts';
import type { PostgresBinaries } from './binaries.ts';

/** A way to run PostgreSQL's programs as somebody who is not root, which they insist on. */
export interface Launcher {
  /** For the log: as whom, by which means. */
  readonly words: string;
  /** Put before the program's own words. */
  readonly prefix: readonly string[];
  /** For child_process; absent means as ourselves. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
  /** Who must own PostgreSQL's files on disk. */
  readonly owner: Account;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Accounts that exist for owning nothing else, the fittest first. */
const ACCOUNT_NAMES = ['postgres', '_postgres', 'nobody'];
const PROBE_TIMEOUT_MS = 10_000;

/**
 * Chooses how to run PostgreSQL in `folder`, which exists and which is given to the chosen owner, by trying each way:
 * being able to, by mode bits, access lists, name spaces and security modules together, is only known by doing.
 * @throws CannotStart when none works, naming the folder that is in the way.
 */
export function chooseLauncher(binaries: PostgresBinaries, folder: string): Launcher {
  const failures: string[] = [];
  for (const launcher of process.getuid?.() === 0 ? rootLaunchers(folder) : [ownLauncher()]) {
    const failure = probe(launcher, binaries, folder);
    if (failure === null) return launcher;
    failures.push(`${launcher.words}: ${failure}`);
  }
  throw new CannotStart(
    `PostgreSQL could not be run here (${failures.join('; ')}). ${cure(binaries, folder)}` +
      'Or give the URL of a PostgreSQL of your own with --database.',
  );
}

function ownLauncher(): Launcher {
  const owner = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  return { words: 'as this user', prefix: [], identity: {}, owner };
}

/** From the plainest to the most special. */
function rootLaunchers(folder: string): readonly Launcher[] {
  const accounts = readAccounts();
  const spare = ACCOUNT_NAMES.flatMap((name) => accounts.filter((account) => account.name === name));
  const fallback = spare[0];
  // Whoever owns the folder already, or the clone it lies in, can certainly get there.
  const owners = [statSync(folder).uid, statSync(dirname(folder)).uid].filter((uid) => uid !== 0);
  const plain = [...owners.flatMap((uid) => accounts.filter((account) => account.uid === uid)), ...spare];
  return [
    ...plain.map(({ name, uid, gid }) => ({
      words: `as ${name}`,
      prefix: [],
      identity: { uid, gid },
      owner: { uid, gid },
    })),
    ...(fallback === undefined ? [] : [inUserNamespace(fallback), withReadCapability(fallback)]),
  ];
}

/** Root without its powers under another number: it still enters root's own folders, as their owner. */
function inUserNamespace({ name, uid, gid }: Named): Launcher {
  return {
    words: `as ${name} in a user namespace`,
    prefix: ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'],
    identity: {},
    owner: { uid: 0, gid: 0 },
  };
}

/** An ordinary account that may enter every folder; for where user namespaces are forbidden. */
function withReadCapability({ name, uid, gid }: Named): Launcher {
  const capability = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  // initdb looks for postgres with access(2), which forgets the capabilities of ordinary users without this.
  const keepInAccess = '--securebits=+no_setuid_fixup';
  return {
    words: `as ${name} with dac_read_search`,
    prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', keepInAccess, ...capability, '--'],
    identity: {},
    owner: { uid, gid },
  };
}

/** Null when it works; otherwise what was said. */
function probe(launcher: Launcher, { initdb }: PostgresBinaries, folder: string): string | null {
  if (process.getuid?.() === 0) chownSync(folder, launcher.owner.uid, launcher.owner.gid);
  chmodSync(folder, 0o700);
  // With --show, initdb looks for everything that it and the server need, its user's name too, and makes nothing.
  const script = 'cd "$1" && test -w . && exec "$2" --show --pgdata "$1/cluster"';
  const [program, ...words] = [...launcher.prefix, '/bin/sh', '-c', script, 'probe', folder, initdb];
  const { status, stderr, error } = spawnSync(program, words, {
    ...launcher.identity,
    cwd: '/',
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
  });
  if (status === 0) return null;
  return error?.message ?? (stderr.trim() || `exit code ${String(status)}`);
}

function cure(binaries: PostgresBinaries, folder: string): string {
  for (const path of [folder, binaries.folder]) {
    for (let parent = dirname(path); parent !== dirname(parent); parent = dirname(parent)) {
      if ((statSync(parent).mode & 0o001) !== 0) continue;
      return `The folder ${parent} lets no other user in: chmod o+x it, or choose another place with --data, or do not run as root. `;
    }
  }
  return '';
}

interface Named extends Account {
  readonly name: string;
}

/** initdb insists that its user has a name, so only accounts of this machine's list will do. */
function readAccounts(): readonly Named[] {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    return /^[1-9]\d*$/.test(uid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}
