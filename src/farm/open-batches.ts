/** The commits that the bots of a home share: a batcher for each kind of write. */
import type { Refusal } from '../core/refusal.ts';
import { isOutage } from '../store/outage.ts';
import { type BatcherParts, createBatcher, tooBusy } from './batcher.ts';
import { type Beginning, type Begun, beginSessions } from './begin-sessions.ts';
import type { Farm } from './farm.ts';
import { flushSessions } from './flush-sessions.ts';
import type { Looks } from './looks.ts';
import type { Knows, SessionWrite, SessionWritten } from './session-write.ts';
import { type Report, type ReportStored, storeReports } from './store-reports.ts';
import { type Taken, takeSessions, type Taking } from './take-sessions.ts';

export type Batches = {
  readonly write: (write: SessionWrite) => Promise<SessionWritten>;
  readonly report: (report: Report) => Promise<ReportStored>;
  readonly take: (taking: Taking) => Promise<Taken | Refusal>;
  readonly begin: (beginning: Beginning) => Promise<Begun | Refusal>;
  /** Resolves when nothing waits and nothing is in flight. */
  readonly settled: () => Promise<void>;
};

export const openBatches = (farm: Farm, knows: Knows, looks: Looks): Batches => {
  const { flushRowsMax, flushWaitingMax } = farm.limits.replica;
  const create = <Op, Result>(parts: Pick<BatcherParts<Op, Result>, 'run' | 'rowsOf'>) =>
    createBatcher<Op, Result>({
      ...parts,
      rowsMax: flushRowsMax,
      waitingMax: flushWaitingMax,
      onFull: () => tooBusy('bot calls', flushWaitingMax),
      isOutage,
    });
  const run = (writes: readonly SessionWrite[]): Promise<SessionWritten[]> => flushSessions({ ...farm, knows }, writes);
  // What only tells is written beside the looks for work. A session is in one of the two at most, since its calls go one
  // at a time.
  const looking = create({ run: (writes: readonly SessionWrite[]) => looks.inTurn(() => run(writes)) });
  const telling = create({ run });
  const reporting = create<Report, ReportStored>({
    run: (reports) => storeReports(farm, reports),
    rowsOf: ({ results }) => 1 + results.length,
  });
  const taking = create<Taking, Taken | Refusal>({ run: (takings) => takeSessions(farm, takings) });
  const beginning = create<Beginning, Begun | Refusal>({ run: (beginnings) => beginSessions(farm, beginnings) });
  return {
    write: (write) => (write.search === null ? telling : looking).push(write),
    report: reporting.push,
    take: taking.push,
    begin: beginning.push,
    settled: async () => {
      await Promise.all([looking, telling, reporting, taking, beginning].map((batcher) => batcher.settled()));
    },
  };
};
