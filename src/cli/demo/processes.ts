/** The demo's processes: each is a real one, started by the same commands that a person would type. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../stationgrid.mjs', import.meta.url));

export type Running = {
  readonly name: string;
  readonly child: ChildProcessByStdio<null, Readable, null>;
  /** What it has printed to standard output, line by line, as it starts. */
  readonly said: (pattern: RegExp) => Promise<RegExpMatchArray>;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  readonly logPath: string;
};

/** Starts `stationgrid <words>`; its log goes to a file. @param command another version's, where one is tried beside ours. */
export const start = (name: string, words: readonly string[], logPath: string, command = COMMAND): Running => {
  const log = openSync(logPath, 'a');
  const child = toPiped(
    spawn(process.execPath, [command, ...words], {
      stdio: ['ignore', 'pipe', log],
      env: { ...process.env, NO_COLOR: '1' },
    }),
  );
  closeSync(log);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const tellAll = (): void => {
    for (const tell of waiting) tell();
  };
  let isOver = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    tellAll();
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown');
    });
  });
  void ended.then(() => {
    isOver = true;
    tellAll();
  });
  const said = (pattern: RegExp): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = lines.map((line) => pattern.exec(line)).find((found) => found !== null);
        if (match === undefined && !isOver) return;
        waiting.delete(look);
        if (match !== undefined) resolve(match);
        else reject(new Error(`${name} ended before it was ready; its log is ${logPath}`));
      };
      waiting.add(look);
      look();
    });
  return { name, child, said, ended, logPath };
};

/** What `stdio` above says of it, which the declared type cannot know. */
function toPiped(child: ChildProcess): ChildProcessByStdio<null, Readable, null> {
  return child as ChildProcessByStdio<null, Readable, null>;
}

/** Asks it to leave, and makes it after a while. Returns how it ended. */
export const stop = async (running: Running, patienceMs: number): Promise<number | string> => {
  running.child.kill('SIGTERM');
  const patience = setTimeout(() => running.child.kill('SIGKILL'), patienceMs);
  const how = await running.ended;
  clearTimeout(patience);
  return how;
};
