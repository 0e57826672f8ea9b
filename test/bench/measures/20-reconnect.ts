/** Power comes back: all bots call a replica that has just started, each over a connection of its own. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, CREATE, createRequest, createSessions } from '../bots.ts';
import { judge, percentile } from '../compare.ts';
import { type Connection, openConnection, openConnections } from '../connection.ts';
import { BOTS_A_CONNECTION } from '../crowd.ts';
import type { Measure } from '../measure.ts';
import { count, seconds } from '../report.ts';

const must = 30;
/** As a bot's back-off: up to a second at first, twice as much after each try, 30 s at most. */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
/** Longer than it may take; a bot that has no session by then has none at all. */
const PATIENCE_MS = 180_000;

export const measure: Measure = {
  id: 20,
  name: 'bots reconnect at once',
  inQuick: false,
  run: async ({ site, quick, say }) => {
    const bots = quick ? 1_000 : 10_000;
    const database = await site.database('reconnect');
    const before = await site.serve({ database });
    const named = await openConnections(before.address, bots / BOTS_A_CONNECTION);
    say(`${count(bots)} bots come`);
    await createSessions(named, botIds(bots));
    for (const connection of named) connection.close();
    before.send('SIGKILL');
    await before.ended;
    const farm = await site.serve({ database });
    say(`${count(bots)} bots come back`);
    const startedMs = performance.now();
    const endMs = startedMs + PATIENCE_MS;
    const opened: Connection[] = [];
    const back = await Promise.all(
      botIds(bots).map(async (botId, at) => {
        const tries = await comeBack({ address: farm.address, botId, from: sourceOf(at), endMs, opened });
        return { tries, afterMs: performance.now() - startedMs };
      }),
    );
    for (const connection of opened) connection.close();
    await farm.close();
    await database.drop();
    const last = Math.max(...back.map(({ afterMs }) => afterMs)) / 1_000;
    return {
      ratio: last,
      more: {
        medianSeconds: percentile(
          back.map(({ afterMs }) => afterMs / 1_000),
          50,
        ),
        triesMax: Math.max(...back.map(({ tries }) => tries)),
        tries: back.reduce((sum, { tries }) => sum + tries, 0),
      },
      spread: 0,
      baselineSpread: null,
      baseline: '–',
      system: `${count(bots)} bots within ${seconds(last)}`,
      n: 1,
      must: `all re-sessioned ≤ ${must} s`,
      aim: '10 s',
      verdict: judge(last, { must, better: 'lower' }, null),
    };
  },
};

type Coming = {
  readonly address: string;
  readonly botId: string;
  readonly from: { readonly localAddress?: string };
  /** It gives up after this monotonic ms. */
  readonly endMs: number;
  /** Takes its connections, to be closed at the end. */
  readonly opened: Connection[];
};

/** Tries until it has a session; how often that was. */
const comeBack = async ({ address, botId, from, endMs, opened }: Coming): Promise<number> => {
  for (let tries = 1; ; tries += 1) {
    try {
      const connection = await openConnection(address, from);
      opened.push(connection);
      await connection.ask(CREATE, createRequest(botId));
      return tries;
    } catch (error) {
      if (performance.now() > endMs) throw new Error(`${botId} got no session in ${tries} tries`, { cause: error });
      await wait(Math.random() * Math.min(BACKOFF_MIN_MS * 2 ** (tries - 1), BACKOFF_MAX_MS));
    }
  }
};

/** One address may have so many connections (`limits.doors.perAddressMax`). All of 127.0.0.0/8 is this machine, on Linux. */
const BOTS_AN_ADDRESS = 1_000;
const sourceOf = (at: number): Coming['from'] =>
  process.platform === 'linux' ? { localAddress: `127.0.0.${1 + Math.floor(at / BOTS_AN_ADDRESS)}` } : {};
