/** Somebody wants jobs done. All or none of one caller's, idempotent by request id, in a commit shared by many callers. */
import { fingerprintOf } from '../core/job-fingerprint.ts';
import { checkJobRequest, isGated, type JobRequest, withListedTests } from '../core/job-request.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { isOutage } from '../store/outage.ts';
import { inTransaction } from '../store/transaction.ts';
import { type Batcher, createBatcher, tooBusy } from './batcher.ts';
import type { Asked } from './enqueue-plan.ts';
import { type Enqueued, eventOf, type GrantJobs, writeEnqueues, type Written } from './enqueue-write.ts';
import { type Farm, transact, type Wake } from './farm.ts';
import { lineFor } from './instance.ts';
import type { JobView } from './job-view.ts';
import { enqueueSpan } from './trace-job.ts';

/** The jobs of each caller, waiting for their shared commit. */
export type Enqueues = Batcher<readonly Asked[], readonly JobView[] | Refusal>;

/** A farm that takes jobs in. */
export type EnqueueingFarm = Farm & { readonly enqueues: Enqueues };

/** The granting of one commit's jobs to bots that wait: `grant-at-once.ts`. */
export type AtOnce = {
  /** In the transaction, which may be run more than once. */
  readonly grant: GrantJobs;
  /** Its transaction has failed, and waits before it is tried again: the bots are let go meanwhile. */
  readonly stepAside: () => void;
  /** The commit is in: the bots are answered. */
  readonly committed: () => void;
  /** It has failed. True: some grant was tried, and may be why. */
  readonly failed: () => boolean;
};

const NOTHING_AT_ONCE: AtOnce = {
  grant: () => Promise.resolve(new Set()),
  stepAside: () => undefined,
  committed: () => undefined,
  failed: () => false,
};

/** One for each replica: it is what callers share. @param atOnce begins a commit's grants; none are made by default. */
export const createEnqueues = (farm: Farm, atOnce: () => AtOnce = () => NOTHING_AT_ONCE): Enqueues =>
  createBatcher({
    run: (callers) => runEnqueues(farm, callers, atOnce()),
    rowsOf: weightOf,
    rowsMax: farm.limits.replica.flushRowsMax,
    waitingMax: farm.limits.replica.flushWaitingMax,
    onFull: () => tooBusy('enqueues', farm.limits.replica.flushWaitingMax),
    isOutage,
  });

/**
 * Enqueues jobs of one instance, all of them or none; the jobs come back in the order asked for. A request id that was
 * seen within 24 h answers the job that it made then, as that job is now.
 * @param traceparent of the caller; null: it sent none.
 * @throws Refusal INVALID; ALREADY_EXISTS for a request id or reservation name used for something else; LIMIT_REACHED.
 */
export const enqueueJobs = async (
  farm: EnqueueingFarm,
  requests: readonly JobRequest[],
  traceparent: string | null = null,
): Promise<readonly JobView[]> => {
  const { batchMax } = farm.limits.jobs;
  if (requests.length > batchMax) {
    throw invalid('BATCH_TOO_BIG', `The batch has ${requests.length} jobs; at most ${batchMax} are allowed. Split it.`);
  }
  const instances = new Set(requests.map((request) => request.instance));
  if (instances.size > 1) {
    throw invalid(
      'BATCH_OF_MANY_INSTANCES',
      `The batch names the instances ${[...instances].join(', ')}; its jobs must all be of one. Send a batch for each.`,
    );
  }
  const asked = requests.map((request, index) => check(farm, request, { index, of: requests.length, traceparent }));
  if (asked.length === 0) return [];
  const jobs = await farm.enqueues.push(asked);
  if (jobs instanceof Refusal) throw jobs;
  return jobs;
};

/** One job; see `enqueueJobs`. */
export const enqueueJob = async (
  farm: EnqueueingFarm,
  request: JobRequest,
  traceparent: string | null = null,
): Promise<JobView> => {
  const [job] = await enqueueJobs(farm, [request], traceparent);
  if (job === undefined) throw new Error('an enqueued job was answered with nothing');
  return job;
};

type Place = { readonly index: number; readonly of: number; readonly traceparent: string | null };

const check = (farm: Farm, asked: JobRequest, place: Place): Asked => {
  try {
    const line = lineFor(farm, asked.instance);
    const request = withListedTests(asked, line);
    const rule = checkJobRequest(request, { limits: farm.limits, line });
    // A repeat is one of what was asked: the line may have been given other tests meanwhile.
    const trace = farm.tracer?.begin(place.traceparent) ?? null;
    return { request, rule, gated: isGated(line, rule), fingerprint: fingerprintOf(asked), trace };
  } catch (error) {
    if (!(error instanceof Refusal) || place.of === 1) throw error;
    const words = `Job ${place.index + 1} of ${place.of}: ${error.message}`;
    throw new Refusal(error.kind, error.reason, words, { ...error.metadata, index: String(place.index) });
  }
};

/** Bytes of a task that weigh as much as one more row, so that big payloads do not gather into one huge statement. */
const ROW_BYTES = 16 * 1024;
const weightOf = (asked: readonly Asked[]): number =>
  asked.reduce((sum, { request: { task } }) => {
    const bytes = task.kind === 'work' ? JSON.stringify(task.work).length : task.value.byteLength;
    return sum + 1 + Math.floor(bytes / ROW_BYTES);
  }, 0);

const runEnqueues = async (
  farm: Farm,
  callers: readonly (readonly Asked[])[],
  atOnce: AtOnce,
): Promise<readonly (readonly JobView[] | Refusal)[]> => {
  const startedMs = farm.clock.monotonicMs();
  const done = await writeAndGrant(farm, callers, atOnce);
  farm.witness.flushed({ rows: done.jobs.length, ms: farm.clock.monotonicMs() - startedMs });
  farm.witness.committed(done.jobs.map(eventOf));
  for (const span of done.jobs.flatMap((job) => enqueueSpan(farm, job))) farm.tracer?.ended(span);
  atOnce.committed();
  const wakes = wakesOf(done.jobs.filter(({ id }) => !done.granted.has(id)));
  if (wakes.length > 0) farm.wake(wakes);
  return done.answers;
};

/** A grant that fails costs no enqueue: the jobs are then written without. */
const writeAndGrant = async (farm: Farm, callers: readonly (readonly Asked[])[], atOnce: AtOnce): Promise<Written> => {
  try {
    const sleep = (ms: number): Promise<void> => {
      atOnce.stepAside();
      return farm.clock.sleep(ms);
    };
    const seams = { pool: farm.pool, random: farm.random, sleep };
    return await inTransaction(seams, (db) => writeEnqueues(farm, db, callers, atOnce.grant));
  } catch (error) {
    // What may have been committed all the same is not written again.
    if (!atOnce.failed() || isOutage(error)) throw error;
    farm.log.warn(
      { error: String(error) },
      'work could not be given to waiting bots with its enqueueing; it is without',
    );
    return transact(farm, (db) => writeEnqueues(farm, db, callers, NOTHING_AT_ONCE.grant));
  }
};

/**
 * Who may have something to do now. A job held at its gate's turn wakes its DUT: that is what opens gates. So does one
 * behind another on its route: it kept that one locked until now, and a look for it has passed it over.
 */
export const wakesOf = (jobs: readonly Enqueued[]): Wake[] => {
  const perRequirement = new Map<number, number>();
  const devices = new Set<number>();
  const bots = new Map<string, Wake>();
  for (const job of jobs) {
    if (job.heldBy !== null && job.heldBy !== 'GATE_TURN' && job.heldBy !== 'ROUTE') continue;
    if (job.deviceId !== null) devices.add(job.deviceId);
    else if (job.requestedBotId !== null) {
      const { instance, requestedBotId: botId } = job;
      bots.set(JSON.stringify([instance, botId]), { kind: 'bot', instance, botId });
    } else perRequirement.set(job.requirementId, (perRequirement.get(job.requirementId) ?? 0) + 1);
  }
  return [
    ...[...perRequirement].map(([id, count]): Wake => ({ kind: 'requirement', id, jobs: count })),
    ...[...devices].map((id): Wake => ({ kind: 'device', id })),
    ...bots.values(),
  ];
};
