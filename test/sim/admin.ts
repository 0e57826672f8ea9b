/** Who hands out and takes back the bots' tokens, and lets a bridge go on after a restore; by the farm's own doors. */
import type { Answer } from '../../bot/transport.ts';
import { spiffeOf } from '../../src/core/spiffe.ts';
import { type Credentials, NO_CREDENTIALS } from '../../src/farm/identify.ts';
import { IdentityService } from '../../src/gen/stationgrid/v1/identity.ts';
import { ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { FARM } from './doors.ts';
import { EPOCH_MS, type Life } from './life.ts';
import { shownBy } from './members.ts';
import type { Prng } from './prng.ts';
import { type DrawnBot, MINUTE_MS } from './scenario.ts';
import { createUnary, type Unary } from './sim-transport.ts';
import type { World } from './world.ts';

const CALL_MS = 5_000;
const RETRY_MS = 1_500;
/** From a bot that is turned away to the token that somebody brings it. */
const HELP_MS = [20_000, 120_000] as const;
const UNAUTHENTICATED = 16;
const ALREADY_EXISTS = 6;
const FAILED_PRECONDITION = 9;
/** Beyond any run, and any clock that was set forward. */
const CERTIFICATE_ENDS = new Date(EPOCH_MS + 10_000 * MINUTE_MS);

export class Admin {
  readonly #world: World;
  readonly #life: Life;
  readonly #prng: Prng;
  readonly #unary: Unary;
  /** What each bot has in its file. One that is there may be revoked, or lost in a failover. */
  readonly #files = new Map<string, string>();
  /** Of whom all tokens were ended, and when that was known for sure. */
  readonly revocations: { readonly botId: string; readonly atMs: number }[] = [];
  /** Bridges that were to go on, and when that was first asked. */
  readonly resumptions: { readonly instance: string; readonly askedMs: number }[] = [];
  /** For whom a token is under way. */
  readonly #helped = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#life = world.begin('admin');
    this.#prng = world.prng.split('admin');
    this.#unary = createUnary(world, this.#life, {
      prng: world.prng.split('admin balance'),
      wanders: 0.3,
      shown: () => shownBy('admin'),
    });
  }

  /** Whether a bot that was turned away still waits for its token. */
  get isHelping(): boolean {
    return this.#helped.size > 0;
  }

  /** What the bot shows just now. */
  credentialsOf({ instance, botId, shows }: DrawnBot): Credentials {
    if (shows === 'token') return { ...NO_CREDENTIALS, bearer: this.#files.get(botId) ?? null };
    const uris = [spiffeOf(FARM, { instance, botId })];
    return { ...NO_CREDENTIALS, certificate: { uris, validTo: CERTIFICATE_ENDS } };
  }

  /** Resolves when the bot has one. One that was made, and whose text was lost with the answer, is ended first. */
  async issue({ instance, botId }: DrawnBot): Promise<void> {
    for (;;) {
      const answer = await this.#unary(
        IdentityService.createBotToken,
        { instance, botId, expiresIn: undefined },
        this.#bounds(),
      );
      if (answer.kind === 'answered') {
        this.#files.set(botId, answer.reply.secretText);
        return;
      }
      if (answer.code === ALREADY_EXISTS) await this.#revoke(instance, botId);
      else await this.#life.clock.sleep(RETRY_MS);
    }
  }

  /** All that the bot has. */
  revoke({ instance, botId }: DrawnBot): void {
    void this.#revoke(instance, botId);
  }

  /** The older token holds for `overlapMs` more; the bot's file changes `lateMs` after the answer. */
  async rotate(
    { instance, botId }: DrawnBot,
    { overlapMs, lateMs }: { readonly overlapMs: number; readonly lateMs: number },
  ): Promise<void> {
    const older = this.#files.get(botId);
    const overlap = { seconds: BigInt(Math.round(overlapMs / 1_000)), nanos: 0 };
    const answer = await this.#unary(
      IdentityService.rotateBotToken,
      { instance, botId, expiresIn: undefined, overlap },
      this.#bounds(),
    );
    if (answer.kind === 'failed') return;
    await this.#life.clock.sleep(lateMs);
    if (this.#files.get(botId) === older) this.#files.set(botId, answer.reply.secretText);
  }

  /** Somebody looks after a bot whose calls are turned away. */
  heard(bot: DrawnBot, answer: Answer<unknown>): void {
    if (answer.kind === 'answered' || answer.code !== UNAUTHENTICATED) return;
    if (bot.shows !== 'token' || this.#helped.has(bot.botId)) return;
    this.#helped.add(bot.botId);
    this.#world.time.after(this.#prng.between(...HELP_MS), () => {
      void this.issue(bot).then(() => this.#helped.delete(bot.botId));
    });
  }

  /** Its people have compared notes with the partner. Where nothing is paused, or nobody has noticed yet, nothing happens. */
  resumeBridge(instance: string): void {
    this.resumptions.push({ instance, askedMs: this.#world.time.nowMs() });
    const request = { instance, reason: 'compared with the partner' };
    void this.#insist(() => this.#unary(ShopfloorService.resumeBridge, request, this.#bounds()));
  }

  async #revoke(instance: string, botId: string): Promise<void> {
    const asked = { instance, botId, tokenId: '' };
    await this.#insist(() => this.#unary(IdentityService.revokeBotToken, asked, this.#bounds()));
    this.revocations.push({ botId, atMs: this.#world.time.nowMs() });
  }

  #bounds() {
    return { deadlineMs: CALL_MS, signal: new AbortController().signal };
  }

  async #insist(call: () => Promise<Answer<unknown>>): Promise<void> {
    for (;;) {
      const answer = await call();
      if (answer.kind === 'answered' || answer.code === FAILED_PRECONDITION) return;
      await this.#life.clock.sleep(RETRY_MS);
    }
  }
}
