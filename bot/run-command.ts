import { spawn, type ChildProcess } from 'node:child_process';
import type { Command } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import { describeAttachment, onLines, readLine } from './command-output.ts';
import type { Limits } from './limits.ts';
import type { Ending, TestRecord } from './test-record.ts';

const EXIT_SKIPPED = 77;

/** The program could not be started at all: the bot's fault, not the unit's, so no test result comes of it. */
export type CannotStart = { readonly kind: 'cannot-start'; readonly why: string };

type Exit = { readonly code: number | null; readonly signal: string | null };

/**
 * Runs a program as it is, through no shell, in a process group of its own. Exit code 0 is PASSED, 77 SKIPPED, anything
 * else FAILED with the last line of standard error. An abort of the signal stops the group, and the ending means nothing.
 */
export async function runCommand(
  {
    command,
    env,
    record,
    signal,
  }: { command: Command; env: Record<string, string>; record: TestRecord; signal: AbortSignal },
  { clock, limits }: { clock: Clock; limits: Limits },
): Promise<Ending | CannotStart> {
  const [program = '', ...args] = command.argv;
  const folder = command.workingDirectory === '' ? process.cwd() : command.workingDirectory;
  const started = start(program, args, folder, { ...process.env, ...command.env, ...env });
  if ('why' in started) return cannotStart(program, started.why);
  const { child } = started;
  const attachments: string[] = [];
  let lastError = '';
  onLines(child.stdout, limits.lineBytesMax, (line) => {
    const said = readLine(line);
    if (said.kind === 'measurement') record.measure(said.name, said.value, said.limits);
    // One too many is kept, so that the record says that there were more.
    else if (said.kind === 'attachment' && attachments.length <= limits.attachmentsMax) attachments.push(said.path);
    record.log(line);
  });
  onLines(child.stderr, limits.lineBytesMax, (line) => {
    if (line.trim() !== '') lastError = line.trim();
    record.log(line);
  });

  const exit = await untilExit(child, signal, clock, limits);
  if ('why' in exit) return cannotStart(program, exit.why);
  for (const path of attachments) {
    const attachment = await describeAttachment(path, folder, signal);
    if (attachment === null) record.log(`The attachment ${path} cannot be read and is left out.`);
    else record.attach(attachment);
  }
  return toEnding(exit, lastError);
}

function toEnding({ code, signal }: Exit, lastError: string): Ending {
  if (code === 0) return { status: 'PASSED', errorMessage: '' };
  if (code === EXIT_SKIPPED) return { status: 'SKIPPED', errorMessage: '' };
  const how = code === null ? `ended by ${signal ?? 'a signal'}` : `exit code ${code}`;
  return { status: 'FAILED', errorMessage: lastError === '' ? how : `${lastError} (${how})` };
}

const cannotStart = (program: string, why: string): CannotStart => ({
  kind: 'cannot-start',
  why: `${program} cannot be started: ${why}`,
});

/** Some faults are thrown (too long an argument), the others come as an event (no such program). */
function start(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv) {
  try {
    return { child: spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true }) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** Resolves when the program has exited and its output is read, or when it could not be started. */
async function untilExit(
  child: ChildProcess,
  signal: AbortSignal,
  clock: Clock,
  limits: Limits,
): Promise<Exit | { readonly why: string }> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exited = new Promise<Exit>((resolve) => child.once('exit', (code, name) => resolve({ code, signal: name })));
  const fault = await new Promise<Error | null>((resolve) => {
    child.once('spawn', () => resolve(null));
    child.on('error', resolve);
  });
  if (fault !== null) return { why: fault.message };

  const over = new AbortController();
  const stop = (): void => void stopGroup(child, over.signal, clock, limits);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const exit = await exited;
  over.abort();
  signal.removeEventListener('abort', stop);
  // Children that a stopped test left behind would go on working on the DUT.
  if (signal.aborted) killGroup(child, 'SIGKILL');

  const read = new AbortController();
  await Promise.race([closed, clock.sleep(limits.pipesMs, read.signal)]);
  read.abort();
  child.stdout?.destroy();
  child.stderr?.destroy();
  return exit;
}

async function stopGroup(child: ChildProcess, exited: AbortSignal, clock: Clock, limits: Limits): Promise<void> {
  killGroup(child, 'SIGTERM');
  await clock.sleep(limits.stopGraceMs, exited);
  if (!exited.aborted) killGroup(child, 'SIGKILL');
}

function killGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // No such group: everything in it has ended already.
  }
}
