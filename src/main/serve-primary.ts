/** The primary of a host with several workers: it owns the database, keeps the workers, and answers for all of them. */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { givenDatabase } from '../config/given-database.ts';
import type { Operations } from '../fronts/rest/operations.ts';
import { openEntrances } from '../listen/open-entrances.ts';
import type { Log } from '../log.ts';
import { toPage } from '../metrics/exposition.ts';
import { createHostMetrics, type HostMetrics } from '../metrics/host-metrics.ts';
import { processClock } from '../process-clock.ts';
import { forkWith } from '../workers/fork.ts';
import { Supervisor } from '../workers/supervisor.ts';
import type { Replace } from './hear-replace.ts';
import { prepareDatabase } from './open-database.ts';
import { openLogSync } from './open-log-sync.ts';
import { type Doors, openOpsDoor } from './open-doors.ts';
import { stopOn, type Undo, unwind } from './undo.ts';
import { VERSION } from './version.ts';

export type PrimaryParts = {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly replace: Replace;
  /** Reads the configuration as workers that start from now on will. @throws when it is wrong. */
  readonly reread: () => unknown;
};

/**
 * Resolves when the first worker serves.
 * @throws CannotStart (exit 78) when the configuration, the machine or the database must be changed first.
 */
export const servePrimary = async (
  config: Config,
  { log, signal, replace, reread }: PrimaryParts,
): Promise<Doors & { readonly stopped: Promise<void> }> => {
  const undo: Undo = [];
  try {
    const databaseUrl = await prepareDatabase(config, log, undo);
    const metrics = createHostMetrics(VERSION);
    undo.push(() => {
      metrics.close();
      return Promise.resolve();
    });
    metrics.wanted(config.workers);
    const embeddedIn = givenDatabase(config) === null ? resolve(config.data) : null;
    const supervisor = superviseFor(config, { log, metrics, beginning: { databaseUrl, embeddedIn } });
    const operations = operationsOf(supervisor, metrics);
    // Open before the workers are there and until they are gone, so that it can be asked what is missing.
    const opsUrl = await openOps(config, { log, metrics, operations, undo });
    await openLogSync(config, log, undo);
    replace.by(() => roll(supervisor, log, reread));
    undo.push(() => supervisor.stop());
    process.once('exit', () => {
      if (signal.aborted) supervisor.killAll();
    });
    const doors = { ...(await supervisor.start()), opsUrl };
    log.info({ ...doors, workers: config.workers }, 'the farm serves');
    return { ...doors, stopped: stopOrLose(signal, { supervisor, log, undo }) };
  } catch (error) {
    await unwind(log, undo);
    throw error;
  }
};

const superviseFor = (
  config: Config,
  parts: {
    readonly log: Log;
    readonly metrics: HostMetrics;
    readonly beginning: { readonly databaseUrl: string; readonly embeddedIn: string | null };
  },
): Supervisor => {
  const { log, metrics, beginning } = parts;
  const supervisor: Supervisor = new Supervisor({
    fork: forkWith(processClock),
    wanted: config.workers,
    limits: config.limits.workers,
    clock: processClock,
    random: Math.random,
    log,
    answers: {
      begin: () => beginning,
      metrics: ({ accept }) => operationsOf(supervisor, metrics).metrics.text(accept ?? undefined),
    },
    witness: {
      counted: (process, page) => metrics.heard(process, toPage(page)),
      gone: metrics.gone,
      died: metrics.died,
    },
  });
  return supervisor;
};

/** For the door of operations, and for whoever asks at a worker's. A scrape runs no SQL; a probe asks every worker. */
const operationsOf = (supervisor: Supervisor, metrics: HostMetrics): Operations => ({
  metrics: {
    contentType: metrics.contentType,
    text: async (accept) => {
      metrics.serving(await supervisor.count());
      return metrics.text(accept);
    },
  },
  ready: () => supervisor.readiness(),
});

const openOps = (
  config: Config,
  parts: {
    readonly log: Log;
    readonly metrics: HostMetrics;
    readonly operations: Operations;
    readonly undo: Undo;
  },
): Promise<string | null> => {
  const { log, metrics, operations, undo } = parts;
  const entrances = openEntrances(config.tls, { limits: config.limits.doors, clock: processClock, log, metrics });
  undo.push(() => {
    entrances.stop();
    return Promise.resolve();
  });
  const seams = { clock: processClock, limits: config.limits, log, newId: randomUUID };
  return openOpsDoor(config, seams, { operations, entrances, undo });
};

/** The workers are replaced by ones that have read the configuration anew. What the primary has read stays. */
const roll = (supervisor: Supervisor, log: Log, reread: () => unknown): void => {
  try {
    reread();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error({ why }, 'the configuration cannot be used: the workers go on with what they have');
    return;
  }
  void supervisor.roll();
};

const stopOrLose = async (
  signal: AbortSignal,
  parts: { readonly supervisor: Supervisor; readonly log: Log; readonly undo: Readonly<Undo> },
): Promise<void> => {
  const { supervisor, log, undo } = parts;
  await stopOn(AbortSignal.any([signal, supervisor.lost]), log, undo);
  if (!signal.aborted) supervisor.lost.throwIfAborted();
};
