/** Schedulers and operators: they enqueue, cancel, drain, quarantine and release through the farm's own doors. */
import { EnqueueJobRequest, type Job, JobsService, JobState, OnFailed } from '../../src/gen/stationgrid/v1/jobs.ts';
import { FleetService } from '../../src/gen/stationgrid/v1/fleet.ts';
import type { Answer } from '../../bot/transport.ts';
import type { Life } from './life.ts';
import type { DrawnJob, DrawnTest } from './scenario.ts';
import { shownBy } from './members.ts';
import { createUnary, type Unary } from './sim-transport.ts';
import type { World } from './world.ts';

/** What a client was told of a job. */
export type KnownJob = {
  readonly drawn: DrawnJob;
  readonly id: number;
  /** When the enqueue was acknowledged. */
  readonly acknowledgedMs: number;
  /** The answer to a cancel: how the job stood then; null: never asked, or never answered. */
  cancelAnswer: { readonly state: JobState; readonly atMs: number } | null;
  /** An end that a client has seen; it stands. */
  seenEnd: { readonly state: JobState; readonly verdict: number; readonly atMs: number } | null;
};

const CALL_MS = 5_000;
const RETRY_MS = 1_500;

export class LineClient {
  readonly jobs = new Map<string, KnownJob>();
  /** Told of every job whose enqueue was acknowledged. */
  onEnqueued: (known: KnownJob) => void = () => undefined;
  readonly #world: World;
  readonly #life: Life;
  readonly #scheduler: Unary;
  readonly #operator: Unary;

  constructor(world: World) {
    this.#world = world;
    this.#life = world.begin('line');
    const open = (member: 'scheduler' | 'operator'): Unary =>
      createUnary(world, this.#life, { prng: world.prng.split(member), wanders: 0.3, shown: () => shownBy(member) });
    this.#scheduler = open('scheduler');
    this.#operator = open('operator');
  }

  get isAllEnqueued(): boolean {
    return this.#wanted === this.jobs.size;
  }
  #wanted = 0;

  /** At its time, and again with the same request id until an answer comes. */
  enqueueAtItsTime(drawn: DrawnJob): void {
    this.#wanted += 1;
    this.#world.time.after(drawn.atMs, () => void this.#enqueue(drawn));
  }

  async #enqueue(drawn: DrawnJob): Promise<void> {
    const answer = await this.#insist(() => this.#scheduler(JobsService.enqueueJob, toRequest(drawn), this.#bounds()));
    const known: KnownJob = {
      drawn,
      id: Number(answer.id),
      acknowledgedMs: this.#world.time.nowMs(),
      cancelAnswer: null,
      seenEnd: null,
    };
    this.jobs.set(drawn.requestId, known);
    this.onEnqueued(known);
    this.#see(known, answer);
  }

  /** Whoever cancels has looked first. Asked once; who hears nothing knows nothing. */
  async cancel(known: KnownJob): Promise<void> {
    await this.look(known);
    const request = { instance: known.drawn.instance, id: BigInt(known.id), reason: 'not wanted any more' };
    const answer = await this.#scheduler(JobsService.cancelJob, request, this.#bounds());
    if (answer.kind !== 'answered') return;
    known.cancelAnswer ??= { state: answer.reply.state, atMs: this.#world.time.nowMs() };
    this.#see(known, answer.reply);
  }

  async look(known: KnownJob): Promise<void> {
    const answer = await this.#scheduler(
      JobsService.getJob,
      { instance: known.drawn.instance, id: BigInt(known.id) },
      this.#bounds(),
    );
    if (answer.kind === 'answered') this.#see(known, answer.reply);
  }

  drain(pattern: string, forMs: number): void {
    const expiresIn = { seconds: BigInt(Math.round(forMs / 1000)), nanos: 0 };
    void this.#insist(() =>
      this.#operator(
        FleetService.drainBots,
        { instance: 'line-1', pattern, note: 'repairs', expiresIn },
        this.#bounds(),
      ),
    );
  }

  quarantine(instance: string, botId: string): void {
    void this.#operator(FleetService.quarantineBot, { instance, botId, reason: 'suspect' }, this.#bounds());
  }

  releaseBot(instance: string, botId: string): void {
    void this.#operator(FleetService.releaseBot, { instance, botId, reason: 'looked at' }, this.#bounds());
  }

  async releaseDevice(instance: string, id: number): Promise<void> {
    await this.#operator(FleetService.releaseDevice, { instance, id: BigInt(id), reason: 'looked at' }, this.#bounds());
  }

  async settleGate(how: 'retry' | 'override', instance: string, id: number): Promise<void> {
    const method = how === 'retry' ? JobsService.retryGate : JobsService.overrideGate;
    await this.#operator(method, { instance, id: BigInt(id), reason: 'looked at' }, this.#bounds());
  }

  /** For an operator's calls of other services. */
  get operator(): Unary {
    return this.#operator;
  }

  #see(known: KnownJob, { state, verdict }: Job): void {
    if (state !== JobState.FINISHED && state !== JobState.JOB_FAILED && state !== JobState.CANCELLED) return;
    const atMs = this.#world.time.nowMs();
    if (known.seenEnd === null) known.seenEnd = { state, verdict, atMs };
    else if (known.seenEnd.state !== state || known.seenEnd.verdict !== verdict) {
      this.#world.violate(
        '1: an end stands',
        `job ${known.drawn.requestId} was seen to end as ${known.seenEnd.state} and later as ${state}`,
      );
    }
  }

  #bounds() {
    return { deadlineMs: CALL_MS, signal: new AbortController().signal };
  }

  async #insist<T>(call: () => Promise<Answer<T>>): Promise<T> {
    for (;;) {
      const answer = await call();
      if (answer.kind === 'answered') return answer.reply;
      // Nothing that a client of the line asks is wrong in itself.
      if (![1, 4, 8, 13, 14].includes(answer.code)) {
        this.#world.violate('a valid request is taken', `${answer.code} ${answer.message}`);
        return new Promise(() => undefined);
      }
      await this.#life.clock.sleep(RETRY_MS);
    }
  }
}

const toRequest = (drawn: DrawnJob): EnqueueJobRequest => {
  const { requestId, instance, station, board, route, onFailed, pool, requestedBotId, priority, attemptsMax } = drawn;
  const executionTimeout =
    drawn.executionTimeoutMs === null ? {} : { executionTimeout: { seconds: BigInt(drawn.executionTimeoutMs / 1000) } };
  return EnqueueJobRequest.create({
    requestId,
    job: {
      instance,
      station,
      task: {
        $case: 'work',
        value: { station, tests: drawn.tests.map((test) => toTest(requestId, test)), ...executionTimeout },
      },
      serials: board === null ? {} : { 'serials.mlb_serial_number': board },
      constraints: pool === null ? [] : [{ key: 'pool', allowedValues: [pool] }],
      requestedBotId: requestedBotId ?? '',
      priority,
      route: route ?? '',
      onFailed: onFailed === 'stop' ? OnFailed.STOP : OnFailed.CONTINUE,
      attemptsMax: attemptsMax ?? 0,
    },
  });
};

const toTest = (job: string, { testId, durationMs, outcome }: DrawnTest) => ({
  testId,
  run: { $case: 'handler' as const, value: 'simulate' },
  args: { job, durationMs: Math.round(durationMs), outcome },
});
