/** `stationgrid job watch`. */
import { type Job, WatchJobResponse } from '../gen/stationgrid/v1/jobs.ts';
import { type FarmOptions, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { followJob } from './follow-job.ts';
import { localTime, printJson } from './print.ts';
import { exitCodeOf, hasEnded, printJob, standing } from './show-job.ts';
import type { Terminal } from './terminal.ts';

export type WatchOptions = FarmOptions & { readonly timeout?: number };

/** A line an event; for people the whole job at its end. */
export const watchJob = (terminal: Terminal, id: bigint, options: WatchOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, output } = options;
    let latest: Job | undefined;
    for await (const message of followJob(farm, { instance, id }, patience(options.timeout))) {
      latest = message.job;
      if (output === 'json') printJson(terminal, WatchJobResponse.toJSON(message), 'line');
      else if (latest !== undefined) terminal.print(eventLine(latest, message.event));
    }
    if (latest === undefined || !hasEnded(latest)) throw gaveUp([id], instance);
    if (output === 'table') {
      terminal.print('');
      printJob(terminal, latest, 'table');
    }
    return exitCodeOf([latest]);
  });

const eventLine = (job: Job, event: string): string =>
  [localTime(new Date()), event || 'NOW', standing(job), job.botId].filter((part) => part !== '').join('  ');

/** Aborts after so many milliseconds; without any, never. */
export const patience = (ms: number | undefined): AbortSignal =>
  ms === undefined ? new AbortController().signal : AbortSignal.timeout(ms);

export const gaveUp = (ids: readonly bigint[], instance: string): Failure => {
  const [first] = ids;
  const rest = ids.length > 1 ? ` and ${String(ids.length - 1)} more` : '';
  return new Failure(
    EXIT.gaveUp,
    `--timeout is over and job ${String(first)}${rest} has not ended`,
    `It goes on: \`stationgrid job why ${String(first)}${instance === '' ? '' : ` --instance ${instance}`}\` says what it waits for.`,
  );
};
