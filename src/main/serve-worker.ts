/** One worker of a host: a replica whose database another process has prepared, and who asks that process about the host. */
import type { Config } from '../config.ts';
import { Refusal } from '../core/refusal.ts';
import type { Operations } from '../fronts/rest/operations.ts';
import { createLog } from '../log.ts';
import { processClock, sleepAside } from '../process-clock.ts';
import { joinPrimary, type Primary } from '../workers/fork.ts';
import { endOrphaned } from './end-orphaned.ts';
import { joinDatabase } from './open-database.ts';
import { openDoors } from './open-doors.ts';
import { openFarm, type OpenFarm } from './open-farm.ts';
import { ownOperations } from './own-operations.ts';
import { stopOn, type Undo, unwind } from './undo.ts';

/** Serves until the primary says stop, or is gone. False: it cannot start, and has told the primary why. */
export const serveWorker = async (number: number, read: () => Config): Promise<boolean> => {
  const stopping = new AbortController();
  obeySignals(stopping);
  const life: { farm: OpenFarm | null } = { farm: null };
  const primary = joinPrimary(processClock, {
    alive: () => null,
    ready: () => (life.farm === null ? { ok: false, why: 'it is starting' } : ownOperations(life.farm).ready()),
    page: () => life.farm?.metrics.page() ?? {},
    stop: () => {
      stopping.abort();
      return null;
    },
  });
  primary.lost.addEventListener('abort', () => stopping.abort());
  try {
    await live(number, read(), { primary, signal: stopping.signal, life });
    return true;
  } catch (error) {
    if (!isHopeless(error)) throw error;
    await primary.ask('refused', { why: error.message }, LAST_WORD_MS).catch(() => undefined);
    return false;
  } finally {
    primary.leave();
  }
};

/** A primary that lives answers a worker's last words at once; one that does not is not waited for longer. */
const LAST_WORD_MS = 2_000;

const live = async (
  number: number,
  config: Config,
  parts: { readonly primary: Primary; readonly signal: AbortSignal; readonly life: { farm: OpenFarm | null } },
): Promise<void> => {
  const { primary, signal, life } = parts;
  const { workers } = config.limits;
  const log = createLog(config.log).child({ worker: number });
  process.stderr.on('error', () => undefined);
  const exit = (code: number): void => process.exit(code);
  endOrphaned({ lost: primary.lost, stopMs: workers.stopMs, log, sleep: sleepAside, exit });
  const undo: Undo = [];
  try {
    const beginning = await primary.ask('begin', null, workers.startMs);
    const pool = await joinDatabase(beginning, config, { log, undo });
    const farm = await openFarm(config, log, { url: beginning.databaseUrl, pool, undo });
    life.farm = farm;
    const operations = hostOperations(primary, farm, workers.answerMs);
    // Probes and scrapes have the primary's door.
    const own = { ...config, doors: { ...config.doors, ops: null } };
    const { opsUrl: _, ...doors } = await openDoors(own, farm, { operations, undo });
    log.info({ ...doors, replica: farm.home.replica, pid: process.pid }, 'a worker of the farm serves');
    // A primary that is busy starting others is no reason to leave: bots are served already.
    await primary.ask('serving', doors, workers.startMs);
  } catch (error) {
    await unwind(log, undo);
    throw error;
  }
  await stopOn(signal, log, undo);
  const page = await life.farm.metrics.page();
  await primary.ask('counted', { page }, LAST_WORD_MS).catch(() => undefined);
};

/**
 * The first SIGTERM: as if the primary had said stop; a second one ends the process at once. What a terminal sends to all
 * of its processes is the primary's to hear.
 */
const obeySignals = (stopping: AbortController): void => {
  for (const name of ['SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(name, () => undefined);
  process.on('SIGTERM', () => {
    if (stopping.signal.aborted) process.exit(SIGTERM_EXIT);
    stopping.abort();
  });
};

const SIGTERM_EXIT = 143;

/** Whoever asks at this door means the host, and may come to another worker the next time. */
const hostOperations = (primary: Primary, { metrics }: OpenFarm, answerMs: number): Operations => ({
  metrics: {
    contentType: metrics.contentType,
    text: (accept) =>
      // The primary waits as long itself for its workers.
      primary.ask('metrics', { accept: accept ?? null }, 2 * answerMs).catch((cause: unknown) => {
        throw primaryAway(cause);
      }),
  },
  ready: () =>
    primary
      .ask('ready', null, 2 * answerMs)
      .catch((cause: unknown) => ({ ok: false, why: primaryAway(cause).message })),
});

const primaryAway = (cause: unknown): Refusal => {
  const why = cause instanceof Error ? cause.message : String(cause);
  const words = `The primary process of this host, which answers for its workers, does not answer: ${why}. Ask again in a moment.`;
  return new Refusal('UNAVAILABLE', 'PRIMARY_AWAY', words);
};

/** Another try would end like this one: so says the exit code of sysexits.h EX_CONFIG, of whatever class the error is. */
const EX_CONFIG = 78;
const isHopeless = (error: unknown): error is Error =>
  error instanceof Error && 'exitCode' in error && error.exitCode === EX_CONFIG;
