/** A bot's side of its session: what it says, again and again until it is heard. */
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../../core/clock.ts';
import {
  type BotSession,
  BotsService,
  BotStatus,
  type Lease,
} from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Worker } from '../../gen/google/devtools/remoteworkers/v1test2/worker.ts';
import { ResultsService } from '../../gen/stationgrid/v1/results.ts';
import type { TestResult } from '../../gen/stationgrid/v1/work.ts';
import { farmFailure } from '../errors.ts';
import { backoffMs } from './backoff.ts';
import type { Answer, CallOptions, Connections } from './connections.ts';
import { NOTHING, type Shown, shownOf } from './shown.ts';

/** As stationgrid-bot has them. */
const IDLE_POLL_MS = 50_000;
const CALL_MS = 10_000;
/** Tries of what a bot has to say when it leaves. A session whose bot is not heard ends by its time to live. */
const FAREWELLS_MAX = 3;

export type Calling = {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly random: () => number;
  readonly run: string;
  readonly instance: string;
  readonly botId: string;
  readonly worker: Worker;
  /** Its connection. */
  readonly through: number;
  /** null: it shows what the connection shows. */
  readonly token: string | null;
  /** Aborts when the bot shall leave. */
  readonly leaving: AbortSignal;
  readonly failed: (verb: string, error: ServiceError) => void;
};

/** What they say is that the farm does not know the session; the bot begins anew and keeps its leases (R-CRE-4). */
const lostCodes: readonly status[] = [
  status.DATA_LOSS,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
];
/** A new bot that is answered otherwise will be answered so again. */
const passingCodes: readonly status[] = [
  ...[status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED, status.ABORTED],
  ...[status.INTERNAL, status.UNKNOWN, status.CANCELLED],
];

export class Voice {
  readonly #calling: Calling;
  #session: string | null = null;
  #failures = 0;

  constructor(calling: Calling) {
    this.#calling = calling;
  }

  get hasSession(): boolean {
    return this.#session !== null;
  }

  /**
   * Resolves with what the farm shows; null: the bot shall leave, and was not heard.
   * @throws Failure when the farm will not have this bot.
   */
  async say(leases: readonly Lease[], kind: 'news' | 'poll' = 'news'): Promise<Shown | null> {
    const { leaving, run, clock, random } = this.#calling;
    for (let farewells = 0; ;) {
      const isNew = this.#session === null;
      // Who leaves begins no session.
      if (isNew && leaving.aborted) return null;
      const answer = await this.#call(leases, kind === 'poll' ? IDLE_POLL_MS : CALL_MS);
      if (answer.kind === 'answered') {
        this.#session = answer.reply.name;
        this.#failures = 0;
        return shownOf(answer.reply.leases, run);
      }
      // A poll that leaving has overtaken may end anyhow.
      if (kind === 'poll' && leaving.aborted) return null;
      if (kind === 'poll' && answer.error.code === status.DEADLINE_EXCEEDED) return NOTHING;
      // The last completion of a bot that leaves has closed its session.
      if (leaving.aborted && lostCodes.includes(answer.error.code)) return NOTHING;
      this.#take(answer.error, isNew);
      if (leaving.aborted) farewells += 1;
      if (farewells >= FAREWELLS_MAX) return null;
      // Leaving cuts a wait short, but for those of the farewell itself.
      await clock.sleep(backoffMs(this.#failures, random), leaving.aborted ? undefined : leaving);
    }
  }

  #take(error: ServiceError, isNew: boolean): void {
    this.#calling.failed(isNew ? 'CreateBotSession' : 'UpdateBotSession', error);
    if (isNew && !passingCodes.includes(error.code)) throw farmFailure(error, 'the farm');
    if (!isNew && lostCodes.includes(error.code)) this.#session = null;
    this.#failures += 1;
  }

  #call(leases: readonly Lease[], deadlineMs: number): Promise<Answer<BotSession>> {
    const { connections, instance: parent, botId, worker, leaving } = this.#calling;
    const name = this.#session;
    const botSession: BotSession = {
      name: name ?? '',
      botId,
      status: leaving.aborted ? BotStatus.BOT_TERMINATING : BotStatus.OK,
      worker,
      leases: [...leases],
      expireTime: undefined,
      version: 'load',
    };
    return name === null
      ? connections.call(BotsService.createBotSession, { parent, botSession }, this.#through(deadlineMs))
      : connections.call(
          BotsService.updateBotSession,
          { name, botSession, updateMask: undefined },
          this.#through(deadlineMs),
        );
  }

  /** One try; false: they have to come with the completion. */
  async report(leaseId: string, results: readonly TestResult[]): Promise<boolean> {
    const request = { session: this.#session ?? '', leaseId, results: [...results] };
    const { connections, failed } = this.#calling;
    const answer = await connections.call(ResultsService.reportTestResults, request, this.#through(CALL_MS));
    if (answer.kind === 'failed') failed('ReportTestResults', answer.error);
    return answer.kind === 'answered';
  }

  #through(deadlineMs: number): CallOptions {
    const { through, token } = this.#calling;
    return { deadlineMs, token, through };
  }
}
