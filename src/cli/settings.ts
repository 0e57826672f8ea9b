/** The configuration as the flags of a command, the environment and the file say it, or the end of the command. */
import { type Config, type LoadedConfig, loadConfig } from '../config.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** Options of commander are flags of the configuration, but for these. */
export type Configured = {
  readonly config?: string;
  readonly data?: string;
  readonly database?: string;
  readonly set?: readonly string[];
  readonly grpc?: string;
  readonly http?: string;
  readonly ops?: string;
  readonly factory?: string;
  readonly workers?: string;
  readonly iKnowThatAnyoneOnThisNetworkCanFalsifyResults?: true;
  readonly logLevel?: string;
  readonly logFormat?: string;
};

export const loadedConfig = (terminal: Terminal, options: Configured): LoadedConfig => {
  const { config: file = null, data, database, set, grpc, http, ops, factory, workers, logLevel, logFormat } = options;
  const exposed = options.iKnowThatAnyoneOnThisNetworkCanFalsifyResults;
  return loadConfig({
    file,
    env: terminal.env,
    flags: {
      ...{ data, database, set, grpc, http, ops, factory, workers, logLevel, logFormat },
      iKnowThatAnyoneOnThisNetworkCanFalsifyResults: exposed === true ? 'true' : undefined,
    },
  });
};

export const configOf = (terminal: Terminal, options: Configured): Config => {
  const loaded = loadedConfig(terminal, options);
  if (loaded.kind === 'ok') return loaded.config;
  throw new Failure(
    EXIT.cannotStart,
    `the configuration is wrong:\n${loaded.problems.map((problem) => `  ${problem}`).join('\n')}`,
    '`stationgrid config reference` tells every key.',
  );
};
