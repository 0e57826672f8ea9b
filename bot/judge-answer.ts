import { BotStatus, type BotSession, type Lease } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { Code } from '../src/gen/google/rpc/code.ts';
import type { Answer } from './transport.ts';

/** A call as it was made. */
export type Asked = {
  readonly call: 'create' | 'update';
  /** Whether it reported no lease and was meant to wait for work. */
  readonly isIdle: boolean;
  readonly status: BotStatus;
  readonly deadlineMs: number;
  readonly tookMs: number;
  /** Whether we cut it ourselves, to say something new. */
  readonly wasCut: boolean;
};

/**
 * What an answer means for the session.
 * - `quiet`: nothing came of it and nothing is wrong.
 * - `session-lost`: the farm does not know the session any more; a new one is needed, and adopts our leases.
 * - `refused`: the farm will not have this bot; only a human can mend that.
 * - `denied`: its credentials do not do, yet or any more. Ask again, later, with the same session: they may rotate.
 * - `outage`: ask again, later, with the same session.
 */
export type Judgement =
  | { readonly kind: 'answered'; readonly session: string; readonly leases: readonly Lease[] }
  | { readonly kind: 'quiet' }
  | { readonly kind: 'session-lost' | 'refused' | 'denied' | 'outage'; readonly code: number; readonly why: string };

const lostCodes: readonly number[] = [Code.DATA_LOSS, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION];
const refusedCodes: readonly number[] = [
  Code.INVALID_ARGUMENT,
  Code.NOT_FOUND,
  Code.FAILED_PRECONDITION,
  Code.UNIMPLEMENTED,
];
const deniedCodes: readonly number[] = [Code.PERMISSION_DENIED, Code.UNAUTHENTICATED];

export function judgeAnswer(answer: Answer<BotSession>, asked: Asked): Judgement {
  if (answer.kind === 'answered') {
    const { name, status, leases } = answer.reply;
    // Servers of another flavour say OK and BOT_TERMINATING for a session that is dead.
    if (status === BotStatus.BOT_TERMINATING && asked.status !== status) {
      return { kind: 'session-lost', code: Code.OK, why: 'the farm answers that the session is terminating' };
    }
    return { kind: 'answered', session: name, leases };
  }
  const { code, message: why } = answer;
  if (code === Code.CANCELLED && asked.wasCut) return { kind: 'quiet' };
  // A server that holds a poll up to its deadline has no work. One that says so at once has something else.
  const waited = asked.tookMs >= asked.deadlineMs / 2;
  if (code === Code.DEADLINE_EXCEEDED && asked.isIdle && waited) return { kind: 'quiet' };
  if (deniedCodes.includes(code)) return { kind: 'denied', code, why };
  const codes = asked.call === 'create' ? refusedCodes : lostCodes;
  if (!codes.includes(code)) return { kind: 'outage', code, why };
  return { kind: asked.call === 'create' ? 'refused' : 'session-lost', code, why };
}
