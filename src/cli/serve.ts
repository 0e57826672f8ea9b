/** `stationgrid serve`. */
import { serve, serveWorker, workerNumber } from '../main.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Configured, configOf } from './settings.ts';
import { stopSignals } from './stop-signals.ts';
import type { Terminal } from './terminal.ts';

/** Resolves when the farm has stopped. */
export const serveFarm = async (terminal: Terminal, options: Configured): Promise<ExitCode> => {
  const read = () => configOf(terminal, options);
  const worker = workerNumber(terminal.env);
  if (worker !== null) return (await serveWorker(worker, read)) ? EXIT.ok : EXIT.cannotStart;
  const { grpcAddress, httpUrl, opsUrl, factoryUrl, stopped } = await serve(read(), {
    signal: stopSignals(),
    reread: read,
  });
  terminal.print(`gRPC ${grpcAddress}`);
  terminal.print(`HTTP ${httpUrl}`);
  if (opsUrl !== null) terminal.print(`ops ${opsUrl}`);
  if (factoryUrl !== null) terminal.print(`factory ${factoryUrl}`);
  await stopped;
  return EXIT.ok;
};
