/** One server and those who call it without a pause: either side of a comparison by calls a second. */
import type { BareServer } from './processes.ts';
import { UPDATE } from './bots.ts';
import { median } from './compare.ts';
import { type Connection, openConnections } from './connection.ts';
import { saturate } from './saturate.ts';

export type Calling = {
  /** Runs for a while; calls a second. */
  readonly run: () => Promise<number>;
  /** Processor time of the server's process, ms a call: the median of its runs. */
  readonly cpuMs: () => number;
};

export type Callers = {
  /** Each makes a call, or several after each other, says how many, and begins again. */
  readonly callers: readonly (() => Promise<number>)[];
  readonly forMs: number;
};

export const calling = (server: BareServer, { callers, forMs }: Callers): Calling => {
  const cpu: number[] = [];
  return {
    run: async () => {
      const before = await server.usage();
      const perSecond = await saturate({ callers, forMs });
      cpu.push(((await server.usage()).cpuMs - before.cpuMs) / ((perSecond * forMs) / 1000));
      return perSecond;
    },
    cpuMs: () => median(cpu),
  };
};

/** So many callers that together go round all the requests, each over one of the connections. */
export const updating = (
  connections: readonly Connection[],
  requests: readonly Uint8Array[],
  callers: number,
): Callers['callers'] => {
  let turn = 0;
  return Array.from({ length: callers }, (_, at) => async () => {
    turn += 1;
    await connections[at % connections.length]!.ask(UPDATE, requests[turn % requests.length]!);
    return 1;
  });
};

/** Gives the work two servers with so many connections to each, and ends all of that after it. */
export const withConnections = async <T>(
  servers: { readonly farm: BareServer; readonly echo: BareServer },
  n: number,
  work: (to: { readonly farm: readonly Connection[]; readonly echo: readonly Connection[] }) => Promise<T>,
): Promise<T> => {
  const farm = await openConnections(servers.farm.address, n);
  const echo = await openConnections(servers.echo.address, n);
  return work({ farm, echo }).finally(() => {
    for (const connection of [...farm, ...echo]) connection.close();
  });
};
