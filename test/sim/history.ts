/** What the bots saw and did: the clients' side of every promise, written down where their messages leave and arrive. */
import { type BotSession, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationResult, StationWork } from '../../src/gen/stationgrid/v1/work.ts';
import type { World } from './world.ts';

export type SeenResult = { readonly testId: string; readonly status: number };

export type SeenLease = {
  readonly id: string;
  readonly botId: string;
  readonly board: string | null;
  readonly jobId: number;
  readonly attempt: number;
  readonly firstSeenMs: number;
  /** First word on each test, in whatever message it was, and when. */
  readonly results: Map<string, { readonly status: number; readonly atMs: number }>;
  /** The first completion it was reported with; null: not yet. */
  completion: { readonly code: number; readonly sentMs: number } | null;
  /** When an answer first left it out after a request that reported its completion. */
  acknowledgedMs: number | null;
  /** When it was first told that the lease is cancelled. */
  cancelToldMs: number | null;
};

export class History {
  readonly leases = new Map<string, SeenLease>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A request is about to leave. */
  sent(botSession: BotSession): void {
    for (const { id, state, status, result } of botSession.leases) {
      const lease = this.leases.get(id);
      if (lease === undefined || state !== LeaseState.COMPLETED) continue;
      // What is said after it contradicts, or comes too late.
      if (lease.completion !== null) continue;
      lease.completion = { code: status?.code ?? 0, sentMs: this.#world.time.nowMs() };
      for (const said of result === undefined ? [] : StationResult.decode(result.value).results) this.said(id, said);
    }
  }

  /** A result was reported. */
  said(leaseId: string, { testId, status }: SeenResult): void {
    const lease = this.leases.get(leaseId);
    if (lease === undefined || lease.results.has(testId)) return;
    lease.results.set(testId, { status, atMs: this.#world.time.nowMs() });
  }

  /** The bot has heard this reply to that request. */
  heard(request: BotSession, reply: BotSession): void {
    const nowMs = this.#world.time.nowMs();
    const shown = new Set(reply.leases.map(({ id }) => id));
    for (const { id, state, payload } of reply.leases) {
      const known = this.leases.get(id);
      if (known !== undefined) {
        if (state === LeaseState.CANCELLED) known.cancelToldMs ??= nowMs;
      } else if (payload !== undefined) {
        this.leases.set(id, begin(id, request.botId, StationWork.decode(payload.value), nowMs));
      }
    }
    for (const { id, state } of request.leases) {
      const lease = this.leases.get(id);
      if (lease === undefined || state !== LeaseState.COMPLETED || shown.has(id)) continue;
      lease.acknowledgedMs ??= nowMs;
    }
  }
}

const begin = (id: string, botId: string, work: StationWork, nowMs: number): SeenLease => ({
  id,
  botId,
  board: work.serials['serials.mlb_serial_number'] ?? null,
  jobId: Number(work.jobId),
  attempt: work.attempt,
  firstSeenMs: nowMs,
  results: new Map(),
  completion: null,
  acknowledgedMs: null,
  cancelToldMs: null,
});
