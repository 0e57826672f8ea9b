/** What the processes' logs hold that must not be there: errors, and the traces of what nobody caught. */
import { readFileSync } from 'node:fs';

/** A bot that stops its work by itself says so as an error, and it is right. */
const OWN_FENCE = /silent too long/;
const STACK_FRAME = /^\s+at .+:\d+:\d+\)?$/;
const FAULTS_MAX = 20;

const isError = (line: string): boolean => {
  if (!line.startsWith('{')) return STACK_FRAME.test(line);
  try {
    const read: unknown = JSON.parse(line);
    return (
      typeof read === 'object' && read !== null && 'level' in read && read.level === 'error' && !OWN_FENCE.test(line)
    );
  } catch {
    // Killed in the middle of a line.
    return false;
  }
};

export function faultsInLog(name: string, path: string): readonly string[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(isError);
  return lines.slice(0, FAULTS_MAX).map((line) => `${name}: ${line}`);
}
