import type { ExitCode } from './exit-codes.ts';

/** An end of a command that its caller can mend: shown as one line of what and why, one of what to do. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;
  /** What to do about it; null when the message says it already. */
  readonly cure: string | null;

  constructor(exitCode: ExitCode, message: string, cure: string | null = null, options: ErrorOptions = {}) {
    super(message, options);
    this.exitCode = exitCode;
    this.cure = cure;
  }
}
