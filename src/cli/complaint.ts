/** The last word on an error that ended a command. */
import { CannotStart } from '../core/cannot-start.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';

export type Complaint = { readonly exitCode: ExitCode; readonly lines: readonly string[] };

/** Errors of the system that a person can mend. */
const systemCures: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program listens there: stop it, or choose another address.',
  EADDRNOTAVAIL: 'This machine has no such address: choose one that it has, such as 127.0.0.1.',
  EACCES: 'Give this user the right to it, or choose another.',
  ENOENT: 'Check the path.',
  ENOSPC: 'Make room on that disk.',
};

export const complaintOf = (error: unknown): Complaint => {
  if (error instanceof Failure) return complaint(error.exitCode, error.message, error.cure);
  if (error instanceof CannotStart) return complaint(error.exitCode, error.message, null);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    const cure = systemCures[error.code];
    if (cure !== undefined) return complaint(EXIT.cannotStart, error.message, cure);
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return complaint(EXIT.bug, `this is a defect: ${stack}`, 'Please report it, with the lines above.');
};

const complaint = (exitCode: ExitCode, what: string, cure: string | null): Complaint => ({
  exitCode,
  lines: [`error: ${what}`, ...(cure === null ? [] : [cure])],
});
