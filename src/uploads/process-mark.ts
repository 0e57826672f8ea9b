/** Which process this is, so that others on the machine can tell whether it still runs: its number alone is soon another's. */
import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { codeOf } from './disk.ts';

export type ProcessMark = {
  /** One boot of one kernel, and the space of its process numbers: a container has one of its own. */
  readonly machine: string;
  readonly pid: number;
  /** On the kernel's clock; empty where the system does not tell. */
  readonly startedAt: string;
};

export const ownMark = async (): Promise<ProcessMark> => ({
  machine: await machineMark(),
  pid: process.pid,
  startedAt: (await startOf(process.pid).catch(() => null)) ?? '',
});

/** It in the name of a file. */
export const wordOf = ({ machine, pid, startedAt }: ProcessMark): string =>
  [createHash('sha256').update(machine).digest('hex').slice(0, MACHINE_CHARS), pid, startedAt].join('.');

const MACHINE_CHARS = 16;

/** The same as `isOver`, of a word. Null, too: it is none. */
export const isOverBy = async (word: string, own: ProcessMark): Promise<boolean | null> => {
  const [, pid = '', startedAt = ''] = word.split('.');
  const mark = { machine: own.machine, pid: Number(pid), startedAt };
  return word === wordOf(mark) ? isOver(mark, own) : null;
};

/** Null: it runs, or ran, where nobody can see it from here. */
export const isOver = async (mark: ProcessMark, own: ProcessMark): Promise<boolean | null> => {
  if (mark.machine !== own.machine) return null;
  if (own.startedAt === '') return !isRunning(mark.pid);
  return startOf(mark.pid).then(
    (startedAt) => startedAt !== mark.startedAt,
    () => null,
  );
};

const machineMark = async (): Promise<string> => {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
};

/** Of proc(5), counted from the one behind the name, which may hold anything but is last in brackets. */
const STATE = 0;
const START_TIME = 19;
/** Zombie, dead: it writes nothing any more. */
const ENDED = new Set(['Z', 'X']);

const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH']);

/** Null: there is no such process, or it has ended. */
const startOf = async (pid: number): Promise<string | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch((error: unknown) => {
    // Anything else, as where too many files are open, says nothing of that process.
    if (!GONE.has(codeOf(error))) throw error;
    return null;
  });
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return ENDED.has(fields[STATE] ?? '') ? null : (fields[START_TIME] ?? null);
};

/** Whether this machine has a process of that number, whoever runs it. */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};
