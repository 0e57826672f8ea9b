/** What the replicas answered to whom, by token: for the question whether one that had ended still opened a door. */
import { parseBotToken } from '../../src/core/bot-token.ts';
import { BotsService } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { AnsweredCall } from './doors.ts';

/** Seen at the replicas; virtual times. */
export type SeenToken = {
  readonly id: string;
  /** The last time that a poll was answered well; -Infinity: none was. */
  lastPollMs: number;
  /** When the last call began whose caller was believed. */
  lastBelievedMs: number;
  /** When a replica first said that it does not hold; Infinity: none did. */
  firstDeniedMs: number;
};

/** CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE: say nothing of whether the caller was believed. */
const MUTE: readonly number[] = [1, 4, 14];
const UNAUTHENTICATED = 16;

export class TokenWatch {
  readonly #seen = new Map<string, SeenToken>();

  get seen(): readonly SeenToken[] {
    return [...this.#seen.values()];
  }

  answered({ path, credentials, tookMs, code }: AnsweredCall, nowMs: number): void {
    const id = parseBotToken(credentials.bearer ?? '')?.id;
    if (id === undefined || MUTE.includes(code)) return;
    const token = this.#of(id);
    if (code === UNAUTHENTICATED) {
      token.firstDeniedMs = Math.min(token.firstDeniedMs, nowMs);
      return;
    }
    token.lastBelievedMs = Math.max(token.lastBelievedMs, nowMs - tookMs);
    if (code === 0 && path === BotsService.updateBotSession.path) token.lastPollMs = nowMs;
  }

  #of(id: string): SeenToken {
    const known = this.#seen.get(id);
    if (known !== undefined) return known;
    const token: SeenToken = { id, lastPollMs: -Infinity, lastBelievedMs: -Infinity, firstDeniedMs: Infinity };
    this.#seen.set(id, token);
    return token;
  }
}
