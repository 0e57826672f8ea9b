/** `stationgrid serve`. */
import { serve } from '../main.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Configured, configOf } from './settings.ts';
import { stopSignals } from './stop-signals.ts';
import type { Terminal } from './terminal.ts';

/** Resolves when the farm has stopped. */
export const serveFarm = async (terminal: Terminal, options: Configured): Promise<ExitCode> => {
  const { grpcAddress, httpUrl, opsUrl, stopped } = await serve(configOf(terminal, options), { signal: stopSignals() });
  terminal.print(`gRPC ${grpcAddress}`);
  terminal.print(`HTTP ${httpUrl}`);
  if (opsUrl !== null) terminal.print(`ops ${opsUrl}`);
  await stopped;
  return EXIT.ok;
};
