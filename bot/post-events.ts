import { PostBotEventTempRequest_Type } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { Code } from '../src/gen/google/rpc/code.ts';
import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Limits } from './limits.ts';
import { headOf } from './text.ts';
import type { Transport } from './transport.ts';

export type EventPost = (type: 'INFO' | 'ERROR', message: string) => Promise<void>;

/** Tells the farm's people of an event; resolves when it is told or given up, and never rejects. */
export const createEventPost =
  (options: {
    readonly transport: Transport;
    readonly session: () => string | null;
    readonly signal: AbortSignal;
    readonly clock: Clock;
    readonly random: () => number;
    readonly limits: Limits;
  }): EventPost =>
  async (type, message) => {
    const { limits, signal } = options;
    const msg = headOf(message, limits.messageBytesMax);
    for (let tries = 1; tries <= limits.eventTriesMax && !signal.aborted; tries += 1) {
      const name = options.session();
      if (name !== null) {
        const bounds = { deadlineMs: limits.callMs, signal };
        const request = { name, type: PostBotEventTempRequest_Type[type], msg };
        const answer = await options.transport.postBotEvent(request, bounds);
        // UNIMPLEMENTED: servers of another make have dropped this call.
        if (answer.kind === 'answered' || answer.code === Code.UNIMPLEMENTED) return;
      }
      await options.clock.sleep(backoffMs(tries, options.random, limits), signal);
    }
  };
