/**
 * The rsync daemon that takes the logs of DUTs, as the original Factory Server runs one: the module `system_logs`, with a folder
 * for each device below `log/dut_upload`. It is a real rsync, run as a child, and started again when it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, realpath, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs, type BackoffLimits } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf, makeFolder } from './disk.ts';

type Say = (facts: Readonly<Record<string, unknown>>, sentence: string) => void;

export type RsyncDaemonParts = {
  /** Its name, or its path. */
  readonly program: string;
  readonly address: { readonly host: string; readonly port: number };
  /** The folder of uploads. */
  readonly folder: string;
  readonly limits: BackoffLimits & {
    /** One that has run for so long was well. */
    readonly steadyMs: number;
    readonly connectionsMax: number;
    readonly stallMs: number;
    readonly stopMs: number;
    readonly logBytesMax: number;
    readonly logCheckMs: number;
  };
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: { readonly info: Say; readonly warn: Say };
};

export type RsyncDaemon = {
  /** Resolves when it has ended, by itself or because it does not stop when told to. */
  readonly stop: () => Promise<void>;
};

/** Below the folder of uploads. */
export const LOGS = 'log/dut_upload';
/** While it is there, nothing is taken: there is no room. */
export const CLOSED = 'rsyncd.closed';

/** Resolves when it was started for the first time, or cannot be: that is said in the log, and is no reason not to serve. */
export const keepRsyncDaemon = async (parts: RsyncDaemonParts): Promise<RsyncDaemon> => {
  const { folder, address, log } = parts;
  const root = await realpath(folder);
  await makeFolder(root, LOGS);
  const settings = join(root, 'rsyncd.conf');
  await writeFile(settings, settingsOf(root, parts));
  await endForerunner(root, settings, parts);
  const stopping = new AbortController();
  const ended = keep(parts, { settings, said: join(root, LOG_FILE) }, stopping.signal);
  log.info({ ...address, logs: join(root, LOGS) }, 'logs of DUTs are taken by rsync');
  return {
    stop: async () => {
      stopping.abort();
      await ended;
      await rm(join(root, PID_FILE), { force: true });
    },
  };
};

const PID_FILE = 'rsyncd.pid';
/** Begun anew at every start, and when it is long: what an rsync says is of use while it runs, and when it has ended. */
const LOG_FILE = 'rsyncd.log';

const settingsOf = (root: string, { address, limits }: RsyncDaemonParts): string => {
  const [uid, gid] = [process.getuid?.() ?? null, process.getgid?.() ?? null];
  return [
    '# Written anew at every start of the farm.',
    `port = ${address.port}`,
    `address = ${address.host}`,
    `pid file = ${join(root, PID_FILE)}`,
    `log file = ${join(root, LOG_FILE)}`,
    `max connections = ${limits.connectionsMax}`,
    `timeout = ${Math.ceil(limits.stallMs / 1000)}`,
    // Only root may become somebody else, and would by default.
    ...(uid === 0 ? [`uid = ${uid}`, `gid = ${gid ?? 0}`] : []),
    'use chroot = no',
    'munge symlinks = yes',
    '[system_logs]',
    `path = ${join(root, LOGS)}`,
    // DUTs have no credentials: whoever reaches this may add logs, and neither read those of others nor remove any.
    'read only = no',
    'write only = yes',
    'refuse options = delete*',
    // DUTs are told that it failed, and come again.
    `pre-xfer exec = test ! -e '${join(root, CLOSED).replaceAll("'", String.raw`'\''`)}'`,
    'incoming chmod = Du=rwx,Dgo=rx,Fu=rw,Fgo=r',
    '',
  ].join('\n');
};

/** A farm that was killed leaves its daemon behind, on the port that the next one needs. */
const endForerunner = async (
  root: string,
  settings: string,
  { clock, limits }: Pick<RsyncDaemonParts, 'clock' | 'limits'>,
): Promise<void> => {
  const pid = Number.parseInt(await readFile(join(root, PID_FILE), 'utf8').catch(() => ''), 10);
  await rm(join(root, PID_FILE), { force: true });
  if (!(pid > 1)) return;
  // The number may be another's by now.
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!words.split('\0').includes(`--config=${settings}`)) return;
  // It removes the note of its number when it ends, which must not be that of the next one.
  for (let waitedMs = 0; signalled(pid, waitedMs < limits.stopMs ? 'SIGTERM' : 'SIGKILL'); waitedMs += LOOK_MS)
    await clock.sleep(LOOK_MS);
};

const LOOK_MS = 50;

/** False: there is no such process. */
const signalled = (pid: number, signal: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
};

const keep = async (
  parts: RsyncDaemonParts,
  { settings, said }: { readonly settings: string; readonly said: string },
  stopping: AbortSignal,
): Promise<void> => {
  const { program, limits, clock, random, log } = parts;
  const isOver = (): boolean => stopping.aborted;
  for (let failures = 1; !isOver(); failures += 1) {
    const beganMs = clock.monotonicMs();
    await rm(said, { force: true });
    const ended = new AbortController();
    const bounded = boundLog(parts, said, AbortSignal.any([stopping, ended.signal]));
    const end = await run(parts, settings, stopping);
    ended.abort();
    await bounded;
    if (isOver()) return;
    if (end.kind === 'absent') {
      log.warn(
        { program },
        'rsync is not installed here, so nobody takes the logs of DUTs: install it, name it by factory.rsync, or say `none` there',
      );
      return;
    }
    if (clock.monotonicMs() - beganMs >= limits.steadyMs) failures = 1;
    const againMs = backoffMs(failures, limits, random());
    log.warn(
      { why: `${await lastLine(said)} (${end.how})`, againMs },
      'the rsync daemon for the logs of DUTs has ended, and is started again',
    );
    await clock.sleep(againMs, stopping);
  }
};

/** The daemon appends wherever the file ends, so that it goes on at the beginning of an empty one. */
const boundLog = async ({ clock, limits, log }: RsyncDaemonParts, said: string, over: AbortSignal): Promise<void> => {
  while (!over.aborted) {
    await clock.sleep(limits.logCheckMs, over);
    try {
      if ((await stat(said)).size <= limits.logBytesMax) continue;
      await truncate(said);
      log.info({ said }, 'what the rsync daemon had said was too long, and begins anew');
    } catch (error) {
      // It has said nothing yet.
      if (codeOf(error) !== 'ENOENT') log.warn({ err: error, said }, 'what the rsync daemon says cannot be bounded');
    }
  }
};

type End = { readonly kind: 'absent' } | { readonly kind: 'ended'; readonly how: string };

const run = ({ program, clock, limits }: RsyncDaemonParts, settings: string, stopping: AbortSignal): Promise<End> =>
  new Promise((resolve) => {
    const child = spawn(program, ['--daemon', '--no-detach', `--config=${settings}`], {
      // An rsync whose input is a socket, as node's pipes are, takes it for its one client.
      stdio: 'ignore',
    });
    const stop = (): void => void end(child, clock, limits.stopMs);
    stopping.addEventListener('abort', stop, { once: true });
    child.once('error', (error) => {
      stopping.removeEventListener('abort', stop);
      resolve(codeOf(error) === 'ENOENT' ? { kind: 'absent' } : { kind: 'ended', how: error.message });
    });
    child.once('exit', (code, signal) => {
      stopping.removeEventListener('abort', stop);
      resolve({ kind: 'ended', how: String(signal ?? code) });
    });
  });

const end = async (child: ChildProcess, clock: Clock, stopMs: number): Promise<void> => {
  const gone = new AbortController();
  child.once('exit', () => {
    gone.abort();
  });
  child.kill('SIGTERM');
  await clock.sleep(stopMs, gone.signal);
  if (!gone.signal.aborted) child.kill('SIGKILL');
};

const lastLine = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8').catch(() => '')).trimEnd().split('\n').at(-1) ?? '';
