/** The replicas as a balancer in front of them sees them: which of them are ready, and what their counters say. */
import type { Target } from './tcp-proxy.ts';
import type { Chance } from './chance.ts';
import type { Member } from './members.ts';
import { processClock } from '../../src/process-clock.ts';

export interface Replica {
  readonly member: Member;
  readonly grpc: Target;
  readonly httpUrl: string;
}

const LOOK_MS = 250;
const ANSWER_MS = 750;
/** Of the looks, one in so many reads the counters. */
const SCRAPE_EVERY = 4;
const FENCED = /^stationgrid_fenced_writes_total\{what="(\w+)"\} (\d+)$/gm;

export interface Balancer {
  /** A ready replica; any of them when none is. */
  readonly choose: () => Replica;
  /** Writes that the farm refused to have an effect, by what was no longer open: over all replicas and their lives. */
  readonly fenced: () => Readonly<Record<string, number>>;
  readonly stop: () => Promise<void>;
}

export function startBalancer(replicas: readonly Replica[], chance: Chance): Balancer {
  const ready = new Set<Replica>(replicas);
  /** By replica and life: counters begin anew with each. */
  const counters = new Map<string, Readonly<Record<string, number>>>();
  const stopping = new AbortController();

  const get = async (url: string): Promise<string | null> => {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
      return answer.status === 200 ? await answer.text() : null;
    } catch {
      return null;
    }
  };
  const look = async (replica: Replica, scrapes: boolean): Promise<void> => {
    if ((await get(`${replica.httpUrl}/readyz`)) === null) ready.delete(replica);
    else ready.add(replica);
    if (!scrapes) return;
    const life = `${replica.member.name}/${replica.member.lives()}`;
    const page = await get(`${replica.httpUrl}/metrics`);
    if (page === null) return;
    counters.set(life, Object.fromEntries([...page.matchAll(FENCED)].map(([, what = '', n]) => [what, Number(n)])));
  };
  const watch = async (replica: Replica): Promise<void> => {
    for (let looks = 0; !stopping.signal.aborted; looks += 1) {
      await look(replica, looks % SCRAPE_EVERY === 0);
      await processClock.sleep(LOOK_MS, stopping.signal);
    }
  };
  const watching = replicas.map(watch);
  const sum = (of: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> => {
    const total: Record<string, number> = {};
    for (const counted of of) for (const [what, n] of Object.entries(counted)) total[what] = (total[what] ?? 0) + n;
    return total;
  };

  return {
    choose: () => chance.one(ready.size > 0 ? [...ready] : replicas),
    fenced: () => sum([...counters.values()]),
    stop: async () => {
      stopping.abort();
      await Promise.all(watching);
      await Promise.all(replicas.map((replica) => look(replica, true)));
    },
  };
}
