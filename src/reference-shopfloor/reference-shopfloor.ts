/**
 * A shopfloor of our own: the seven methods of the Shopfloor Service with validation, a journal that survives kill -9,
 * and faults on demand. For trying things out, for tests, and for partners as a model of what is called and when.
 */
import type http from 'node:http';
import type { Clock } from '../core/clock.ts';
import { createControlDoor } from './control.ts';
import type { DefectName } from './defect-names.ts';
import { createDefects } from './defects.ts';
import { createDesk } from './desk.ts';
import { createFaultRules, faultRulesSchema, seededRandom, type FaultRuleInput } from './fault-rules.ts';
import { createHttpDoor } from './http-door.ts';
import { openJournal, type Journal } from './journal.ts';
import { repliesSchema, type RepliesInput } from './replies.ts';

export const DEFAULT_PORT = 8090;
/** How long answers under way may take once the shopfloor is told to stop. */
const STOP_GRACE_MS = 2_000;

export interface ReferenceShopfloorOptions {
  readonly clock: Clock;
  /** Absent: loopback. Partners' services listen on 0.0.0.0. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  /** Null: in memory only. A file that is there is continued. */
  readonly journalPath: string | null;
  readonly replies?: RepliesInput;
  readonly faults?: readonly FaultRuleInput[];
  /** Of the faults' probabilities. */
  readonly seed?: number;
  /** Mistakes it makes all the time. */
  readonly defects?: readonly DefectName[];
  /** Every argument and result is a JSON text, for callers whose address begins with `json:`. */
  readonly jsonText?: boolean;
  /** False: a repeated key is applied again, as most partners' services would. */
  readonly remembersKeys?: boolean;
}

export interface ReferenceShopfloor {
  readonly url: string;
  readonly port: number;
  readonly journal: Pick<Journal, 'lines'>;
  /** Answers what is under way, at most 2 s, then closes the door and the journal. May be called again. */
  stop(): Promise<void>;
}

/** Resolves when it listens. Throws where a setting, the journal or the port is wrong, with words that say which. */
export async function startReferenceShopfloor(options: ReferenceShopfloorOptions): Promise<ReferenceShopfloor> {
  const { clock, host = '127.0.0.1', seed = 1 } = options;
  let replies = repliesSchema.parse(options.replies ?? {});
  const rules = createFaultRules(faultRulesSchema.parse(options.faults ?? []), seededRandom(seed));
  const defects = createDefects(options.defects ?? [], clock);
  const journal = await openJournal(options.journalPath);
  const stopping = new AbortController();
  const desk = createDesk(
    {
      journal,
      rules,
      replies: () => replies,
      clock,
      remembersKeys: options.remembersKeys ?? true,
      stopping: stopping.signal,
    },
    await journal.lines(),
  );

  // Its promise is nobody's: should the port be taken meanwhile, the process ends, for the address is no longer ours.
  const refuseFor = (ms: number): void => {
    if (listener.server.listening) void closeFor(listener, ms, clock, stopping.signal);
  };
  const control = createControlDoor({
    journal,
    rules,
    defects,
    replies: { get: () => replies, set: (next) => (replies = next) },
  });
  const listener: Listener = {
    server: createHttpDoor({ desk, control, defects, jsonText: options.jsonText ?? false, refuseFor }),
    host,
    port: 0,
  };
  try {
    listener.port = await listen(listener.server, host, options.port ?? DEFAULT_PORT);
  } catch (error) {
    await journal.close();
    throw error;
  }

  let stopped: Promise<void> | null = null;
  async function stop(): Promise<void> {
    stopping.abort();
    const grace = new AbortController();
    const closed = close(listener.server);
    await Promise.race([closed, clock.sleep(STOP_GRACE_MS, grace.signal)]);
    grace.abort();
    listener.server.closeAllConnections();
    await closed;
    await journal.close();
  }
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${listener.port}/`,
    port: listener.port,
    journal,
    stop: () => (stopped ??= stop()),
  };
}

interface Listener {
  readonly server: http.Server;
  readonly host: string;
  port: number;
}

/** To its callers a shopfloor that is down: those connected are cut off, new ones are refused. */
async function closeFor(listener: Listener, ms: number, clock: Clock, stopping: AbortSignal): Promise<void> {
  const closed = close(listener.server);
  listener.server.closeAllConnections();
  await closed;
  await clock.sleep(ms, stopping);
  if (!stopping.aborted) await listen(listener.server, listener.host, listener.port);
}

function listen(server: http.Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function close(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    // A server that does not listen says so in an error, which here is no news.
    server.close(() => {
      resolve();
    });
  });
}
