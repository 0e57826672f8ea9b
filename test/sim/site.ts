/** The processes of a simulated farm, by name: who lives, who is started again, who plays a second under another's name. */
import { defaultLimits } from '../../src/core/limits.ts';
import { Admin } from './admin.ts';
import { Fixtures } from './fixtures.ts';
import { runFieldBot } from './field-bot.ts';
import { History } from './history.ts';
import type { Life } from './life.ts';
import { LineClient } from './line-client.ts';
import { Partner } from './partner.ts';
import { type Replica, startReplica } from './replica.ts';
import type { DrawnBot, Scenario } from './scenario.ts';
import { runSdkBot } from './sim-bot.ts';
import { TokenWatch } from './token-watch.ts';
import { WATCHED, WATCHED_CLOSELY, Watcher } from './watcher.ts';
import type { World } from './world.ts';

/** What a supervisor takes to start a process that has died. */
const RESTART_MS = 2_000;

/** Between a commit and the moment its answer is heard. */
const SLACK_MS = 15_000;

export class Site {
  readonly world: World;
  readonly scenario: Scenario;
  readonly partner: Partner;
  readonly history: History;
  readonly fixtures: Fixtures;
  readonly line: LineClient;
  readonly admin: Admin;
  readonly tokens = new TokenWatch();
  readonly watcher: Watcher;
  readonly replicas = new Map<string, Replica>();
  readonly bots = new Map<string, Life>();
  /** Writes that were fenced, all replicas together: a run in which there were none proved little. */
  fenced = 0;
  /** When no replica could do anything, for long enough that every one of them must have noticed. */
  readonly outages: { readonly startMs: number; readonly endMs: number }[] = [];
  /** What was acknowledged then, a failover may have lost. */
  readonly #lost: { readonly fromMs: number; readonly toMs: number }[] = [];
  /** When a failover was over; -Infinity: there was none. */
  failedOverMs = -Infinity;
  #awaySinceMs: number | null = null;
  readonly ttlMs = defaultLimits.session.ttlMs;
  readonly #lives = new Map<string, number>();
  /** When a process that is dead may be started again. */
  readonly #downUntilMs = new Map<string, number>();
  readonly #skewMs = new Map<string, number>();

  constructor(world: World, scenario: Scenario) {
    this.world = world;
    this.scenario = scenario;
    this.partner = new Partner(world);
    this.history = new History(world);
    this.fixtures = new Fixtures(world);
    this.line = new LineClient(world);
    this.admin = new Admin(world);
    this.watcher = new Watcher(world, scenario.emphasis.closeWatch ? WATCHED_CLOSELY : WATCHED);
    this.line.onEnqueued = (job) => void this.watcher.hear(job);
  }

  startReplica(name: string): void {
    const { world, scenario, partner } = this;
    const replica = startReplica({
      world,
      name,
      prng: world.prng.split(`${name} life ${this.#next(name)}`),
      lines: scenario.lines,
      partner,
      skewMs: this.#skewMs.get(name) ?? 0,
      onFenced: () => (this.fenced += 1),
      onServing: () => this.comesBack(),
      onAnswered: (call) => this.tokens.answered(call, world.time.nowMs()),
    });
    this.replicas.set(name, replica);
    world.trace.add(name, 'starts');
    replica.life.onDeath(() => {
      world.trace.add(name, 'is dead');
      this.#startAgain(name, () => this.startReplica(name));
    });
  }

  /** Its first process, once it has what it must show. */
  async hire(bot: DrawnBot): Promise<void> {
    if (bot.shows === 'token') await this.admin.issue(bot);
    this.startBot(bot);
  }

  startBot(bot: DrawnBot): void {
    const life = this.#runBot(bot, bot.botId);
    this.bots.set(bot.botId, life);
    life.onDeath(() => {
      this.world.trace.add(bot.botId, 'is dead');
      this.#startAgain(bot.botId, () => this.startBot(bot));
    });
  }

  /** A second process under the same bot_id: what it says of the units is not to be trusted from then on. */
  startTwin(bot: DrawnBot): Life {
    for (const board of bot.boards) this.fixtures.lieAbout(board);
    this.world.trace.add(bot.botId, 'gets a twin');
    return this.#runBot(bot, `${bot.botId}-twin`);
  }

  /** Dead now, or at the n-th thing it hears; stays down for so long. */
  crash(name: string, { atPort, downMs }: { readonly atPort: number; readonly downMs: number }): void {
    this.#downUntilMs.set(name, this.world.time.nowMs() + downMs);
    this.lifeOf(name)?.dieAtPort(atPort);
  }

  /** From now on nothing of the farm works. */
  goesAway(): void {
    this.#awaySinceMs ??= this.world.time.nowMs();
  }

  /** Something of it may work again. */
  comesBack(): void {
    const startMs = this.#awaySinceMs;
    const endMs = this.world.time.nowMs();
    this.#awaySinceMs = null;
    if (startMs !== null && endMs - startMs > defaultLimits.replica.amnestyAfterMs)
      this.outages.push({ startMs, endMs });
  }

  /** A failover has lost what was committed then. Bots may run what the farm no longer knows of. */
  forgive(lost: { readonly fromMs: number; readonly toMs: number }): void {
    this.#lost.push(lost);
    for (const { boards } of this.scenario.bots) for (const board of boards) this.fixtures.lieAbout(board);
  }

  isForgiven(atMs: number): boolean {
    return this.#lost.some(({ fromMs, toMs }) => atMs >= fromMs - SLACK_MS && atMs <= toMs + SLACK_MS);
  }

  stepClock(name: string, byMs: number): void {
    this.#skewMs.set(name, (this.#skewMs.get(name) ?? 0) + byMs);
    const life = this.lifeOf(name);
    if (life !== undefined) life.skewMs += byMs;
  }

  lifeOf(name: string): Life | undefined {
    return this.replicas.get(name)?.life ?? this.bots.get(name);
  }

  /** Everybody who was stopped goes on. */
  goOn(): void {
    this.fixtures.forgetPlans();
    for (const { life } of this.replicas.values()) life.goOn();
    for (const life of this.bots.values()) life.goOn();
  }

  #runBot(bot: DrawnBot, name: string): Life {
    const { world, history, fixtures, admin } = this;
    const prng = world.prng.split(`${name} life ${this.#next(name)}`);
    const parts = { world, bot, prng, history, fixtures, admin, name };
    return bot.kind === 'field' ? runFieldBot(parts) : runSdkBot(parts);
  }

  #next(name: string): number {
    const life = (this.#lives.get(name) ?? 0) + 1;
    this.#lives.set(name, life);
    return life;
  }

  #startAgain(name: string, start: () => void): void {
    const { time } = this.world;
    time.after(Math.max(RESTART_MS, (this.#downUntilMs.get(name) ?? 0) - time.nowMs()), start);
  }
}
