/** Carries wakes: in this process at once, to the other replicas gathered and a bounded number of times a second. */
import type { Clock } from '../core/clock.ts';
import { type Listening, NOTICE_BYTES_MAX, type Notices } from '../store/notices.ts';
import type { Log, Wake } from './farm.ts';

export type WakeHub = {
  readonly wake: (wakes: readonly Wake[]) => void;
  readonly onWake: (hear: (wake: Wake) => void) => () => void;
  /** How many replicas the last tick saw: alone, nobody is notified. */
  readonly setReplicas: (n: number) => void;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

export type WakeHubParts = {
  readonly replica: string;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly log: Log;
  readonly noticesPerSecondMax: number;
  /** Told whenever notices may have been missed: everything hinted at must be looked at again. */
  readonly missed: () => void;
};

/** Wakes gathered for the other replicas, at most; beyond that the tick's backstop serves them. */
const GATHERED_MAX = 10_000;
const RELISTEN_MS = 1_000;

export const createWakeHub = (parts: WakeHubParts): WakeHub => {
  const hearers = new Set<(wake: Wake) => void>();
  const gathered = new Map<string, Wake>();
  const stopping = new AbortController();
  let replicas = 1;
  let sending: Promise<void> | null = null;
  let listening: Promise<void> | null = null;

  const tell = (wake: Wake): void => {
    for (const hear of hearers) hear(wake);
  };
  const send = async (): Promise<void> => {
    while (gathered.size > 0) {
      const batch = takeNotice(gathered, parts.replica);
      await parts.notices.send(batch).catch((error: unknown) => {
        parts.log.warn({ error: String(error) }, 'other replicas could not be woken; their next tick finds the work');
      });
      await parts.clock.sleep(1_000 / parts.noticesPerSecondMax, stopping.signal);
    }
    sending = null;
  };
  const gather = (wake: Wake): void => {
    if (replicas < 2 || gathered.size >= GATHERED_MAX) return;
    gathered.set(JSON.stringify(wake), wake);
    sending ??= send();
  };
  const isStopping = (): boolean => stopping.signal.aborted;
  const listen = async (): Promise<void> => {
    while (!isStopping()) {
      const connection = await connect(parts, tell);
      if (connection !== null) {
        parts.missed();
        const stop = (): void => void connection.close().catch(() => undefined);
        stopping.signal.addEventListener('abort', stop, { once: true });
        if (isStopping()) stop();
        await connection.ended;
        stopping.signal.removeEventListener('abort', stop);
      }
      await parts.clock.sleep(RELISTEN_MS, stopping.signal);
    }
  };
  return {
    wake: (wakes) => {
      for (const wake of wakes) {
        tell(wake);
        gather(wake);
      }
    },
    onWake: (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    setReplicas: (n) => {
      replicas = n;
    },
    start: () => {
      listening ??= listen();
    },
    stop: async () => {
      stopping.abort();
      await sending;
      await listening;
    },
  };
};

const connect = async (parts: WakeHubParts, tell: (wake: Wake) => void): Promise<Listening | null> => {
  try {
    return await parts.notices.listen((payload) => {
      const notice = toNotice(payload);
      if (notice === null || notice.from === parts.replica) return;
      for (const wake of notice.wakes) tell(wake);
    });
  } catch (error) {
    parts.log.warn({ error: String(error) }, 'no connection to hear other replicas on; trying again');
    return null;
  }
};

/** As many of the gathered wakes as one notice carries. */
const takeNotice = (gathered: Map<string, Wake>, replica: string): string => {
  const head = `{"from":${JSON.stringify(replica)},"wakes":[`;
  let text = head;
  for (const key of gathered.keys()) {
    const longer = text === head ? text + key : `${text},${key}`;
    if (Buffer.byteLength(longer) + 2 > NOTICE_BYTES_MAX && text !== head) break;
    gathered.delete(key);
    // A key that fills a notice by itself cannot be sent; the tick serves it.
    if (Buffer.byteLength(longer) + 2 <= NOTICE_BYTES_MAX) text = longer;
  }
  return `${text}]}`;
};

/** Notices come from replicas of this farm, but perhaps of another version: what is not understood is left alone. */
const toNotice = (payload: string): { readonly from: string; readonly wakes: readonly Wake[] } | null => {
  try {
    const notice: unknown = JSON.parse(payload);
    if (typeof notice !== 'object' || notice === null || !('from' in notice) || !('wakes' in notice)) return null;
    if (typeof notice.from !== 'string' || !Array.isArray(notice.wakes)) return null;
    return { from: notice.from, wakes: notice.wakes.filter(isWake) };
  } catch {
    return null;
  }
};

const isWake = (value: unknown): value is Wake => {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  const wake: Readonly<Record<string, unknown>> = { ...value };
  switch (wake['kind']) {
    case 'requirement':
      return typeof wake['id'] === 'number' && typeof wake['jobs'] === 'number';
    case 'device':
    case 'job':
      return typeof wake['id'] === 'number';
    case 'bot':
      return typeof wake['instance'] === 'string' && typeof wake['botId'] === 'string';
    case 'session':
      return typeof wake['name'] === 'string';
    case 'call':
      return typeof wake['id'] === 'string';
    case 'lanes':
    case 'drains':
    case 'tokens':
    case 'lead':
      return true;
    default:
      return false;
  }
};
