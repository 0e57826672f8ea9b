import { BotStatus, type BotSession } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Worker } from '../src/gen/google/devtools/remoteworkers/v1test2/worker.ts';
import type { StationWork } from '../src/gen/stationgrid/v1/work.ts';
import { backoffMs } from './backoff.ts';
import { createBell } from './bell.ts';
import type { Clock } from './clock.ts';
import { describeWorker, type DeviceDeclaration } from './describe-worker.ts';
import { signOfLifeMs } from './fence.ts';
import { createGrpcTransport, type Shown } from './grpc-transport.ts';
import type { Handlers } from './handler.ts';
import { judgeAnswer, type Asked, type Judgement } from './judge-answer.ts';
import * as leaseBook from './lease-book.ts';
import { defaultLimits, type Limits } from './limits.ts';
import type { Log } from './log.ts';
import { machine } from './machine.ts';
import { createEventPost, type EventPost } from './post-events.ts';
import { createReader } from './read-work.ts';
import { type RunBounds, runLease } from './run-lease.ts';
import type { Transport } from './transport.ts';
import { createWorks, type Works } from './works.ts';

export type BotOptions = {
  /** The farm's gRPC door, `HOST:PORT`, or several with commas between; or a transport that leads to one. */
  readonly server?: string;
  /** What it shows the farm, asked at every call. By default nothing, in plain text. */
  readonly shows?: () => Shown;
  readonly transport?: Transport;
  readonly instance: string;
  /** Who this bot is; the same after every restart, and nobody else's within the instance. */
  readonly botId: string;
  /** Of the primary device, and the serials of the DUT it is or drives. */
  readonly properties?: DeviceDeclaration['properties'];
  readonly serials?: DeviceDeclaration['serials'];
  /** Further devices, each a DUT of its own where it has serials. */
  readonly devices?: readonly DeviceDeclaration[];
  /** Leases at once; null (the default) is not declared and means 1. */
  readonly capacity?: number | null;
  /** The stations it takes; null (the default) takes any. */
  readonly stations?: readonly string[] | null;
  readonly handlers?: Handlers;
  readonly version?: string;
  readonly limits?: Partial<Limits>;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
};

/**
 * Why a bot stopped. `drained`: as asked, with everything delivered. `undelivered`: told twice to stop, with an ending
 * the farm has not heard of. `refused`: the farm does not take this bot, and says why in the log. `aborted`: by the signal.
 */
export type ExitReason = 'drained' | 'undelivered' | 'refused' | 'aborted';

export type BotState = {
  readonly session: string | null;
  readonly isDraining: boolean;
  readonly leases: readonly { readonly id: string; readonly stage: leaseBook.HeldLease['stage'] }[];
};

/** Joins a farm and works for it until it is told to stop. Run it once. */
export function createBot(options: BotOptions) {
  const clock = options.clock ?? machine.clock;
  const limits = { ...defaultLimits, ...options.limits };
  const { server = '127.0.0.1:50051', shows } = options;
  const way = { address: server, clock, limits, ...(shows === undefined ? {} : { shows }) };
  const transport = options.transport ?? createGrpcTransport(way);
  const bot = new Bot({ ...options, transport, clock, limits });
  return {
    /** Resolves when the bot has stopped and nothing of it runs any more. The signal stops it without a goodbye. */
    run: async (signal: AbortSignal): Promise<ExitReason> => {
      try {
        return await bot.run(signal);
      } finally {
        if (options.transport === undefined) transport.close();
      }
    },
    /** Takes no more work, finishes what runs, says goodbye. A second call stops what runs. */
    drain: () => bot.drain(),
    state: () => bot.state(),
  };
}

type Wired = BotOptions & { readonly transport: Transport; readonly clock: Clock; readonly limits: Limits };

class Bot {
  readonly #options: Wired;
  readonly #worker: Worker;
  readonly #book: leaseBook.LeaseBook;
  readonly #read: leaseBook.Reader;
  readonly #post: EventPost;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #works: Works;
  /** Rings when there is something new to tell the farm. */
  readonly #news = createBell();
  /** Rings when a drain begins or is hurried: the only thing that cuts a back-off short. */
  readonly #drained = createBell();
  /** Ends everything. */
  readonly #end = new AbortController();
  #exit: ExitReason | null = null;
  #session: string | null = null;
  #hasStarted = false;
  #drains = 0;
  /** With no work left it says goodbye, for so long as this takes. */
  #isLeaving = false;
  #failures = 0;
  /** When the last answered request was sent: what the farm's patience is counted from, at the latest. */
  #answeredSentMs = 0;
  #calledMs = 0;
  #wasIdle = false;
  #toldNews = 0;
  #cut = new AbortController();

  constructor(options: Wired) {
    const { properties = {}, serials = {}, devices = [], capacity = null, handlers = {}, stations = null } = options;
    this.#options = options;
    this.#worker = describeWorker([{ handle: 'primary', properties, serials }, ...devices], capacity);
    this.#book = leaseBook.createLeaseBook(capacity ?? 1);
    this.#read = createReader({ handlers, stations });
    this.#random = options.random ?? machine.random;
    this.#log = options.log ?? (() => undefined);
    const { transport, clock, limits } = options;
    const [session, signal] = [() => this.#session, this.#end.signal];
    this.#works = createWorks({
      clock,
      run: (id, work, signal, heed) => this.#run(id, work, { signal, heed }),
      onEnded: (id, completion) => this.#ended(id, completion),
      answeredSentMs: () => this.#answeredSentMs,
      onSilent: (id) => this.#fence(id),
    });
    this.#post = createEventPost({ transport, session, signal, clock, random: this.#random, limits });
  }

  state(): BotState {
    const leases = [...this.#book.leases.values()].map(({ id, stage }) => ({ id, stage }));
    return { session: this.#session, isDraining: this.#book.draining, leases };
  }

  async run(signal: AbortSignal): Promise<ExitReason> {
    const abort = (): void => this.#stopFor('aborted');
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    try {
      return await this.#live();
    } finally {
      signal.removeEventListener('abort', abort);
      this.#end.abort();
      await this.#works.stopAll();
    }
  }

  drain(): void {
    this.#drains += 1;
    const { drainMs } = this.#options.limits;
    if (this.#drains === 1) {
      this.#log('info', 'draining: takes no more work, finishes what runs', { leases: this.#book.leases.size });
      leaseBook.drain(this.#book);
      if (Number.isFinite(drainMs)) void this.#options.clock.sleep(drainMs, this.#end.signal).then(() => this.#hurry());
      this.#news.ring();
      this.#drained.ring();
    } else {
      this.#hurry();
    }
  }

  /** Stops what runs, and gives its endings so long to reach the farm. */
  #hurry(): void {
    if (this.#end.signal.aborted) return;
    this.#log('warn', 'draining at once: stops what runs', { running: this.#works.ids().length });
    for (const id of this.#works.ids()) this.#obey(leaseBook.stop(this.#book, id, 'DRAINED'));
    this.#drained.ring();
    void this.#options.clock
      .sleep(this.#options.limits.farewellMs, this.#end.signal)
      .then(() => this.#stopFor(this.#isOwed() ? 'undelivered' : 'drained'));
  }

  #stopFor(reason: ExitReason): void {
    this.#exit ??= reason;
    this.#end.abort();
    this.#cut.abort();
  }

  async #live(): Promise<ExitReason> {
    while (this.#exit === null) {
      // A new session that does not list a fenced lease says that its DUT is free: only once the work has stopped.
      const next = this.#news.next();
      if (this.#isFencing()) {
        await untilAborted(AbortSignal.any([next, this.#end.signal]));
        continue;
      }
      if (this.#book.draining && !this.#isOwed()) {
        // Nobody to say goodbye to.
        if (this.#session === null) return 'drained';
        this.#leave();
      }
      const went = await this.#call();
      await this.#pause(went);
    }
    return this.#exit;
  }

  /** One request and its answer. */
  async #call(): Promise<'well' | 'badly'> {
    const { transport, clock, limits, instance, botId, version = '' } = this.#options;
    const name = this.#session;
    const status = this.#book.draining ? BotStatus.BOT_TERMINATING : BotStatus.OK;
    const call = name === null ? 'create' : 'update';
    const isIdle = call === 'update' && !this.#book.draining && this.#book.leases.size === 0;
    const deadlineMs = isIdle ? limits.idlePollMs * (0.95 + 0.1 * this.#random()) : this.#paceMs(limits.callMs);
    const news = this.#news.next();
    const leases = leaseBook.report(this.#book, limits.resultsBytesMax);
    this.#toldNews = this.#book.news;
    this.#wasIdle = isIdle;
    const sentMs = (this.#calledMs = clock.monotonicMs());
    const cut = (this.#cut = new AbortController());
    const [worker, expireTime] = [this.#worker, undefined];
    const botSession: BotSession = { name: name ?? '', botId, status, worker, leases, expireTime, version };
    const bounds = { deadlineMs, signal: cut.signal };
    const answering =
      name === null
        ? transport.createBotSession({ parent: instance, botSession }, bounds)
        : transport.updateBotSession({ name, botSession, updateMask: undefined }, bounds);
    const answer = await this.#unlessNews(answering, news, cut);
    const tookMs = clock.monotonicMs() - sentMs;
    // Cut because a lease was fenced, or everything ended: the answer is about a session that we have left.
    if (this.#session !== name || this.#isFencing() || this.#exit !== null) return 'well';
    const wasCut = cut.signal.aborted;
    const asked: Asked = { call, isIdle, status, deadlineMs, tookMs, wasCut };
    const went = this.#take(judgeAnswer(answer, asked), asked, sentMs);
    const saidGoodbye = answer.kind === 'answered' && status === BotStatus.BOT_TERMINATING && leases.length === 0;
    if (saidGoodbye && this.#book.leases.size === 0) this.#stopFor('drained');
    return went;
  }

  /**
   * News cut a call that is parked. A call that is not gets a moment to be answered: cutting it would lose the answer, which
   * the farm would only have to send again.
   */
  async #unlessNews<T>(answering: Promise<T>, news: AbortSignal, cut: AbortController): Promise<T> {
    const { clock, limits } = this.#options;
    const answered = new AbortController();
    const cutSoon = (): void => {
      void clock.sleep(limits.hurryMs, answered.signal).then(() => {
        if (!answered.signal.aborted) cut.abort();
      });
    };
    news.addEventListener('abort', cutSoon, { once: true });
    try {
      return await answering;
    } finally {
      news.removeEventListener('abort', cutSoon);
      answered.abort();
    }
  }

  #take(judgement: Judgement, asked: Asked, sentMs: number): 'well' | 'badly' {
    switch (judgement.kind) {
      case 'quiet':
        return 'well';
      case 'answered':
        if (asked.call === 'create') this.#begin(judgement.session);
        // A session that is lost again and again must not be re-created without a pause: only an update proves it good.
        else this.#failures = 0;
        this.#answeredSentMs = sentMs;
        for (const order of leaseBook.settle(this.#book, judgement.leases, this.#read)) this.#obey(order);
        return 'well';
      case 'session-lost':
        this.#log('warn', 'the session is lost, asks for a new one', { code: judgement.code, why: judgement.why });
        this.#session = null;
        break;
      case 'refused':
        this.#log('error', 'the farm refuses this bot', { code: judgement.code, why: judgement.why });
        // With work in hand it tries on: the work is worth more than a quick exit, and the fence bounds it.
        if (this.#book.leases.size === 0) this.#stopFor('refused');
        break;
      case 'denied':
        // Somebody may be about to give it the right, or new credentials; leaving would only make them start it again.
        this.#log('error', 'the farm does not let this bot in', { code: judgement.code, why: judgement.why });
        break;
      case 'outage':
        this.#log('warn', 'the farm does not answer', { code: judgement.code, why: judgement.why });
    }
    this.#failures += 1;
    // The farm that lost a good session is there, and says so: the first new one needs no pause.
    return judgement.kind === 'session-lost' && this.#failures === 1 ? 'well' : 'badly';
  }

  #begin(session: string): void {
    this.#session = session;
    this.#log('info', 'session begun', { session, leases: this.#book.leases.size });
    if (this.#hasStarted) return;
    // Once a process, not once a session: an INFO clears the farm's count of this bot's errors.
    this.#hasStarted = true;
    void this.#post('INFO', `started, version ${this.#options.version ?? ''}`);
  }

  #obey(order: leaseBook.Order | null): void {
    if (order?.kind === 'stop') this.#works.stop(order.id);
    if (order?.kind === 'start') this.#works.start(order.id, order.work);
  }

  #run(id: string, work: StationWork, bounds: RunBounds): Promise<leaseBook.Completion> {
    const { transport, clock, limits, handlers = {} } = this.#options;
    this.#log('info', 'work started', { lease: id, job: String(work.jobId), station: work.station });
    return runLease({
      ...{ id, work, ...bounds, handlers, transport, clock, limits, random: this.#random, post: this.#post },
      session: () => this.#session,
      onFenced: () => this.#obey(leaseBook.stop(this.#book, id, 'GONE')),
    });
  }

  #ended(id: string, completion: leaseBook.Completion): void {
    this.#log('info', 'work ended', { lease: id, code: completion.code, why: completion.message });
    leaseBook.ended(this.#book, id, completion);
    this.#news.ring();
  }

  /**
   * The farm may be about to give this work away. It is stopped, its results are dropped, and a new session begins without
   * the lease: a completion would come too late to count, while the new session says that the DUT is free again.
   */
  #fence(id: string): void {
    const order = leaseBook.stop(this.#book, id, 'FENCED');
    if (order === null) return;
    this.#log('error', 'the farm has been silent too long: stops the work', { lease: id });
    this.#session = null;
    this.#obey(order);
    this.#cut.abort();
  }

  /** Waits until the next call is due. */
  async #pause(went: 'well' | 'badly'): Promise<void> {
    const { clock, limits } = this.#options;
    const [news, drained] = [this.#news.next(), this.#drained.next()];
    if (this.#exit !== null) return;
    if (went === 'badly') {
      await clock.sleep(backoffMs(this.#failures, this.#random, limits), AbortSignal.any([drained, this.#end.signal]));
    }
    if (went === 'badly' || this.#session === null || this.#book.news !== this.#toldNews) return;
    const leftMs = this.#calledMs + this.#gapMs() - clock.monotonicMs();
    if (leftMs > 0) await clock.sleep(leftMs, AbortSignal.any([news, this.#end.signal]));
  }

  /** The least time between the starts of two calls when nothing is new. */
  #gapMs(): number {
    const { limits } = this.#options;
    const { leases } = this.#book;
    // Having just delivered its last lease, or joined, it parks at once; answered at once while idle, it does not spin.
    if (leases.size === 0) return this.#wasIdle ? limits.repeatMs : 0;
    if (leaseBook.awaitsAnswer(this.#book)) return limits.repeatMs;
    const hasSlot = leaseBook.freeSlots(this.#book) > 0 && !this.#book.draining;
    return this.#paceMs(hasSlot ? limits.sparePollMs : limits.busyPollMs);
  }

  /** A time, or less where work in hand would be lost sooner. */
  #paceMs(ms: number): number {
    const lives = [...this.#book.leases.values()].flatMap((lease) =>
      'work' in lease ? [signOfLifeMs(lease.work)] : [],
    );
    return Math.min(ms, ...lives);
  }

  #isFencing(): boolean {
    return [...this.#book.leases.values()].some((lease) => lease.stage === 'STOPPING' && lease.cause === 'FENCED');
  }

  /** Whether the farm has yet to hear of an ending, or one is still to come. */
  #isOwed(): boolean {
    return [...this.#book.leases.values()].some((lease) => lease.stage !== 'OFFERED');
  }

  /** Bounds the goodbye: a farm that is gone hears none, and nothing is lost with it. */
  #leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    const { clock, limits } = this.#options;
    void clock.sleep(limits.goodbyeMs, this.#end.signal).then(() => {
      this.#isLeaving = false;
      if (!this.#isOwed()) this.#stopFor('drained');
    });
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
