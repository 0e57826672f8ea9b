/**
 * Keeps both ends of a conversation on one core. A seed is ten thousand questions and answers between the farm's process and
 * its PostgreSQL, of which one always sleeps; to wake it on another core costs more than most of the statements, in a
 * virtual machine several times more.
 */
import { spawnSync } from 'node:child_process';

/** All threads of a process, and the children that it has from now on. Where that cannot be done, it runs as it would. */
export const pin = (pid: number, core: number): void => {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' });
};
