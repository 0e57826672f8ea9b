/**
 * A start that a second try would not mend: the configuration, the machine or the database must be changed first. Its
 * message says what is wrong and how to mend it, and whoever started the process exits with `exitCode` (sysexits.h
 * EX_CONFIG), which supervisors such as systemd can be told not to restart on.
 */
export class CannotStart extends Error {
  readonly exitCode = 78;
  override readonly name = 'CannotStart';
}
