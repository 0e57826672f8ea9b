/**
 * An older client, as they are in the field: it speaks the protocol by hand, completes work it never acknowledged, forgets
 * a result, says a thing twice and the second time otherwise, declines, drops. It fences nothing. The farm bears it all.
 */
import { BotSession, BotStatus, Lease, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationResult, StationWork, TestResult, TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { Worker } from '../../src/gen/google/devtools/remoteworkers/v1test2/worker.ts';
import type { Life } from './life.ts';
import { type BotParts, createBotUnary } from './sim-bot.ts';
import { createSimTransport } from './sim-transport.ts';

const POLL_MS = 12_000;
const BUSY_MS = 5_000;
const PAUSE_MS = 1_000;

type Held = {
  readonly id: string;
  readonly work: StationWork;
  stage: 'offered' | 'running' | 'ended' | 'ignored';
  /** The farm has shown it as ACTIVE. */
  isKnown: boolean;
  /** What runs on a unit; null: nothing does. */
  run: { readonly end: () => void } | null;
  /** As it goes out; null until the work has ended. */
  lease: Lease | null;
};

export const runFieldBot = (parts: BotParts): Life => {
  const life = parts.world.begin(parts.name);
  parts.fixtures.clearUp(parts.name);
  void new FieldBot(parts, life).run();
  return life;
};

class FieldBot {
  readonly #parts: BotParts;
  readonly #life: Life;
  readonly #transport: ReturnType<typeof createSimTransport>;
  readonly #held = new Map<string, Held>();
  /** Said again, and otherwise, in the next request. */
  #echoes: Lease[] = [];
  #session: string | null = null;
  #news = new AbortController();

  constructor(parts: BotParts, life: Life) {
    this.#parts = parts;
    this.#life = life;
    this.#transport = createSimTransport(createBotUnary(parts, life), parts.history);
  }

  async run(): Promise<never> {
    for (;;) {
      await this.#call();
      await this.#life.clock.sleep(this.#held.size > 0 ? BUSY_MS : PAUSE_MS, this.#news.signal);
    }
  }

  async #call(): Promise<void> {
    const { instance, botId } = this.#parts.bot;
    this.#news = new AbortController();
    const leases = [...[...this.#held.values()].flatMap((held) => this.#show(held)), ...this.#echoes];
    this.#echoes = [];
    const botSession = BotSession.create({
      name: this.#session ?? '',
      botId,
      status: BotStatus.OK,
      worker: this.#worker(),
      leases,
    });
    const bounds = { deadlineMs: this.#session === null ? BUSY_MS : POLL_MS, signal: new AbortController().signal };
    const answer =
      this.#session === null
        ? await this.#transport.createBotSession({ parent: instance, botSession }, bounds)
        : await this.#transport.updateBotSession({ name: this.#session, botSession, updateMask: undefined }, bounds);
    if (answer.kind === 'failed') {
      // INVALID_ARGUMENT, NOT_FOUND, DATA_LOSS: the session is no more.
      if ([3, 5, 15].includes(answer.code)) this.#session = null;
      return;
    }
    this.#session = answer.reply.name;
    this.#hear(answer.reply.leases, new Set(leases.map(({ id }) => id)));
  }

  #hear(shown: readonly Lease[], told: ReadonlySet<string>): void {
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, held] of this.#held) {
      if (ids.has(id) || !told.has(id)) continue;
      // Ended and heard; or taken away behind its back.
      this.#held.delete(id);
      if (held.lease !== null && this.#parts.prng.chance(this.#parts.bot.habits.fickle)) this.#sayOtherwise(held);
    }
    for (const { id, state, payload } of shown) {
      const held = this.#held.get(id);
      if (held !== undefined && state === LeaseState.ACTIVE) held.isKnown = true;
      if (state === LeaseState.CANCELLED) {
        if (held !== undefined) this.#end(held, Lease.create({ id, state: LeaseState.CANCELLED }));
      } else if (held === undefined && payload !== undefined) this.#meet(id, StationWork.decode(payload.value));
    }
  }

  #meet(id: string, work: StationWork): void {
    const { prng } = this.#parts;
    const held: Held = { id, work, stage: 'offered', isKnown: false, run: null, lease: null };
    this.#held.set(id, held);
    const drawn = prng.random();
    if (drawn < 0.06) held.stage = 'ignored';
    else if (drawn < 0.14)
      this.#end(
        held,
        Lease.create({ id, state: LeaseState.COMPLETED, status: { code: prng.pick([9, 13, 2]), message: 'cannot' } }),
      );
    else void this.#work(held);
  }

  async #work(held: Held): Promise<void> {
    const { prng, fixtures, name, bot } = this.#parts;
    const { work, id } = held;
    // Some say ACTIVE first, some only ever COMPLETED.
    const isEager = prng.chance(0.5);
    if (isEager) held.stage = 'running';
    const board = work.serials['serials.mlb_serial_number'];
    const [first] = work.tests;
    const what = `${String(first?.args?.['job'])} attempt ${work.attempt}`;
    const isKnown = (): boolean => held.isKnown;
    if (board !== undefined) held.run = fixtures.begin(this.#life, { board, by: name, what, isKnown });
    const results: TestResult[] = [];
    for (const { testId, args } of work.tests) {
      await this.#life.clock.sleep(Math.min(30_000, Number(args?.['durationMs'])));
      if (held.lease !== null) break;
      // A forgotten result is no pass.
      if (prng.chance(bot.habits.forgets)) continue;
      const result = TestResult.create({ testId, status: toStatus(args?.['outcome']) });
      const isKept = isEager && prng.chance(0.5) && (await this.#report(id, result));
      // The farm has its word. At the end some say otherwise all the same.
      results.push(isKept && prng.chance(bot.habits.fickle) ? turned(result) : result);
    }
    this.#end(held, completed(id, results));
  }

  /** Whether the farm says that it has it. */
  async #report(leaseId: string, result: TestResult): Promise<boolean> {
    const bounds = { deadlineMs: BUSY_MS, signal: new AbortController().signal };
    const request = { session: this.#session ?? '', leaseId, results: [result] };
    const answer = await this.#transport.reportTestResults(request, bounds);
    return answer.kind === 'answered' && !answer.reply.fenced;
  }

  /** Whatever else it does wrong, it says so of nothing that runs on. */
  #end(held: Held, lease: Lease): void {
    held.run?.end();
    if (held.lease !== null) return;
    held.stage = 'ended';
    held.lease = lease;
    this.#news.abort();
  }

  /** Its memory is bad: the same lease once more, with every result turned round. */
  #sayOtherwise({ id, work }: Held): void {
    const results = work.tests.map(({ testId, args }) =>
      turned(TestResult.create({ testId, status: toStatus(args?.['outcome']) })),
    );
    this.#echoes.push(completed(id, results));
  }

  #show({ id, stage, lease }: Held): Lease[] {
    switch (stage) {
      case 'ignored':
        return [];
      case 'offered':
        return [Lease.create({ id, state: LeaseState.PENDING })];
      case 'running':
        return [Lease.create({ id, state: LeaseState.ACTIVE })];
      case 'ended':
        return lease === null ? [] : [lease];
    }
  }

  #worker(): Worker {
    const { bot } = this.#parts;
    const devices = bot.boards.map((board) => ({
      handle: board,
      properties: [
        { key: 'serials.mlb_serial_number', value: board },
        { key: 'pool', value: bot.pool },
      ],
    }));
    return Worker.create({ devices });
  }
}

const completed = (id: string, results: TestResult[]): Lease =>
  Lease.create({
    id,
    state: LeaseState.COMPLETED,
    status: { code: 0 },
    result: {
      typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
      value: Buffer.from(StationResult.encode({ results, logsTail: '' }).finish()),
    },
  });

const turned = (result: TestResult): TestResult => ({
  ...result,
  status: result.status === TestStatus.PASSED ? TestStatus.FAILED : TestStatus.PASSED,
});

const toStatus = (outcome: unknown): TestStatus => {
  switch (outcome) {
    case 'FAILED':
      return TestStatus.FAILED;
    case 'SKIPPED':
      return TestStatus.SKIPPED;
    case 'FAILED_AND_WAIVED':
      return TestStatus.FAILED_AND_WAIVED;
    default:
      return TestStatus.PASSED;
  }
};
