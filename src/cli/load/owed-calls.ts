/** With DUTs a run's jobs owe calls to the line's shopfloor: how far behind the bridge was when the last job had ended. */
import type { Clock } from '../../core/clock.ts';
import { type Call, CallState, ListCallsRequest, ShopfloorService } from '../../gen/stationgrid/v1/shopfloor.ts';
import type { Connections } from './connections.ts';
import { pagesOf } from './pages.ts';

export type OwedCalls = {
  /** Still owed when it was given up. */
  readonly owed: number;
  /** Refused for good by the shopfloor: their lanes wait for an operator. */
  readonly dead: number;
  /** From the first look until nothing was owed any more, or it was given up. */
  readonly behindSeconds: number;
};

const LOOK_MS = 250;

/** Waits until nothing is owed, `patienceMs` at the longest. @throws Failure when the farm cannot say. */
export const awaitCalls = async (
  connections: Connections,
  clock: Clock,
  { instance, patienceMs, stopping }: { instance: string; patienceMs: number; stopping: AbortSignal },
): Promise<OwedCalls> => {
  const startMs = clock.monotonicMs();
  const isOver = (): boolean => stopping.aborted || clock.monotonicMs() - startMs > patienceMs;
  const owed = ListCallsRequest.create({ instance, states: [CallState.OWED], pageSize: 1 });
  while ((await connections.ask(ShopfloorService.listCalls, owed)).calls.length > 0 && !isOver())
    await clock.sleep(LOOK_MS, stopping);
  const behindSeconds = (clock.monotonicMs() - startMs) / 1000;
  const left: Call[] = [];
  for await (const calls of pagesOf(
    (page) =>
      connections.ask(
        ShopfloorService.listCalls,
        ListCallsRequest.create({ instance, states: [CallState.OWED, CallState.DEAD], ...page }),
      ),
    ({ calls }) => calls,
  ))
    left.push(...calls);
  const dead = left.filter(({ state }) => state === CallState.DEAD).length;
  return { owed: left.length - dead, dead, behindSeconds };
};
