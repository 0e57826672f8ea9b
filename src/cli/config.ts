/** `stationgrid config …`. */
import { configReference, printConfig } from '../config.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Configured, configOf } from './settings.ts';
import type { Terminal } from './terminal.ts';

export const printConfiguration = (terminal: Terminal, options: Configured): Promise<ExitCode> => {
  terminal.print(printConfig(configOf(terminal, options)).trimEnd());
  return Promise.resolve(EXIT.ok);
};

export const printReference = (terminal: Terminal): Promise<ExitCode> => {
  terminal.print(configReference().trimEnd());
  return Promise.resolve(EXIT.ok);
};
