/** Many bots that wait for work: each has a poll under way, and another as soon as that is answered. */
import { POLL } from './bots.ts';
import type { Connection } from './connection.ts';

export type Crowd = {
  /** Lets one more bot wait, for good. */
  readonly add: (bot: Waiting) => void;
  /** Polls that failed so far. */
  readonly failed: () => number;
  /** Polls that were answered so far. */
  readonly answered: () => number;
  /** No bot calls again. */
  readonly stop: () => void;
};

export type Waiting = {
  readonly connection: Connection;
  /** An encoded UpdateBotSessionRequest. */
  readonly request: Uint8Array;
};

export const openCrowd = (): Crowd => {
  let [failed, answered, isOver] = [0, 0, false];
  const poll = (bot: Waiting): void => {
    bot.connection.call(POLL, bot.request, (reply) => {
      if (isOver) return;
      if (reply === null) failed += 1;
      else answered += 1;
      if (!bot.connection.isLeaving()) poll(bot);
    });
  };
  return {
    add: poll,
    failed: () => failed,
    answered: () => answered,
    stop: () => {
      isOver = true;
    },
  };
};

/** Calls that fit one connection (`limits.grpc.streamsMax`). */
export const BOTS_A_CONNECTION = 1_000;
