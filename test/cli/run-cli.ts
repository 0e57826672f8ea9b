/** The real command as a child process, as people and scripts run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const cliProgram = fileURLToPath(new URL('../../src/cli/stationgrid.mjs', import.meta.url));

export type CliEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type CliOptions = { readonly env?: Readonly<Record<string, string>>; readonly input?: string };

/** Starts it with a clean environment, in UTC. Nothing of ours is inherited but what finds programs. */
export const startCli = (words: readonly string[], { env = {}, input = '' }: CliOptions = {}): ChildProcess => {
  const child = spawn(process.execPath, [cliProgram, ...words], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'], TZ: 'UTC', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(input);
  return child;
};

export const runCli = (words: readonly string[], options: CliOptions = {}): Promise<CliEnd> =>
  endOf(startCli(words, options));

export const endOf = (child: ChildProcess): Promise<CliEnd> =>
  new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
