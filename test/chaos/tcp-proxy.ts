/** The network between a bot and the farm: TCP through this process, which can cut it, hold it, or let it go one way only. */
import { createServer, connect, type Server, type Socket } from 'node:net';

/**
 * What the way lets through. `half-open`: nothing, and nobody is told. `deaf`: the bot hears nothing of the farm. `mute`: the
 * farm hears nothing of the bot. What is held waits in the sockets, and comes late if the way is opened again.
 */
export type Flow = 'open' | 'half-open' | 'deaf' | 'mute';

export interface Target {
  readonly host: string;
  readonly port: number;
}

interface Pair {
  readonly bot: Socket;
  readonly farm: Socket;
}

export interface Way {
  /** `host:port` for the bot. */
  readonly address: string;
  readonly set: (flow: Flow) => void;
  /** Resets every connection that there is; new ones are let in. */
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

const lets = (flow: Flow, to: 'bot' | 'farm'): boolean => flow === 'open' || flow === (to === 'bot' ? 'mute' : 'deaf');

/** @param choose where a new connection goes. */
export async function openWay(choose: () => Target): Promise<Way> {
  const pairs = new Set<Pair>();
  let flow: Flow = 'open';

  const apply = ({ bot, farm }: Pair): void => {
    for (const [from, isLet] of [
      [farm, lets(flow, 'bot')],
      [bot, lets(flow, 'farm')],
    ] as const) {
      if (isLet) from.resume();
      else from.pause();
    }
  };
  const drop = (pair: Pair): void => {
    pairs.delete(pair);
    pair.bot.resetAndDestroy();
    pair.farm.resetAndDestroy();
  };
  const join = (bot: Socket): void => {
    const pair: Pair = { bot, farm: connect({ ...choose(), noDelay: true }) };
    bot.setNoDelay(true);
    pairs.add(pair);
    for (const [from, to] of [
      [bot, pair.farm],
      [pair.farm, bot],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        // Bounded by what both ends of HTTP/2 allow each other.
        to.write(chunk);
      });
      // A dead end is told to the other only by a way that lets through: a half-open connection says nothing.
      from.on('error', () => undefined);
      from.on('end', () => to.end());
      from.on('close', () => {
        if (flow === 'open') drop(pair);
      });
    }
    apply(pair);
  };

  const server: Server = createServer({ pauseOnConnect: true }, join);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the way has no port');
  return {
    address: `127.0.0.1:${bound.port}`,
    set: (next) => {
      flow = next;
      for (const pair of pairs) {
        apply(pair);
        if (flow === 'open' && (pair.bot.destroyed || pair.farm.destroyed)) drop(pair);
      }
    },
    cut: () => {
      for (const pair of [...pairs]) drop(pair);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const pair of [...pairs]) drop(pair);
      }),
  };
}
