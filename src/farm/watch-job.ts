/** Follows one job: as it is, then once for each of its events, until it has ended. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import type { FarmEventKind } from '../core/farm-event.ts';
import { hasEnded } from '../core/job.ts';
import { invalid } from '../core/refusal.ts';
import { type EventCursor, readJobEvents } from '../store/farm-events.ts';
import { readNewestCursor, readPending } from '../store/job-events.ts';
import { openEar } from './ear.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobName, readJob } from './get-job.ts';
import type { JobView } from './job-view.ts';

export type JobWatched = {
  /** As it now is, results and all; it may show more than the event tells. */
  readonly job: JobView;
  /** Null: the first message of a fresh watch. */
  readonly event: FarmEventKind | null;
  /** Resumes after this message, on any replica. */
  readonly cursor: string;
};

/** Events read at a time. */
const EVENTS_MAX = 100;
/**
 * An event is told once no older transaction is open, so that none is ever passed over; nothing announces that moment,
 * which is milliseconds away, so it is asked for again this soon.
 */
const HORIZON_POLL_MS = 25;
/** Before all events. */
const START: EventCursor = { xact: '0', id: 0 };

/**
 * @param watch cursor empty: a fresh watch. The signal ends the watch early, without an error.
 * @throws Refusal NOT_FOUND; INVALID for an unknown instance or a bad cursor. All at the first message.
 */
export async function* watchJob(
  farm: Farm,
  watch: JobName & { readonly cursor: string; readonly signal: AbortSignal },
): AsyncGenerator<JobWatched, void, void> {
  lineFor(farm, watch.instance);
  const resumed = watch.cursor === '' ? null : toEventCursor(watch, watch.cursor);
  const ear = openEar(farm, (wake) => wake.kind === 'job' && wake.id === watch.id);
  try {
    let job = await readJob(farm.pool, watch);
    const events = { jobId: watch.id, enqueuedAt: job.enqueuedAt };
    let after = resumed ?? (await readNewestCursor(farm.pool, events)) ?? START;
    // After the cursor, so that whatever the job shows beyond it is told as an event too.
    if (resumed === null) job = await readJob(farm.pool, watch);
    if (resumed === null) yield { job, event: null, cursor: textOf(watch, after) };
    while (!watch.signal.aborted) {
      const news = await readJobEvents(farm.pool, events, after, EVENTS_MAX);
      if (news.length > 0) job = await readJob(farm.pool, watch);
      for (const { kind, cursor } of news) {
        yield { job, event: kind, cursor: textOf(watch, cursor) };
        after = cursor;
      }
      if (news.length > 0) continue;
      const pending = await readPending(farm.pool, events, after);
      if (hasEnded(job.state) && !pending.end) return;
      await ear.heard(pending.some ? HORIZON_POLL_MS : farm.limits.replica.tickMs, watch.signal);
    }
  } finally {
    ear.close();
  }
}

const scopeOf = ({ instance, id }: JobName): readonly unknown[] => ['watch', instance, id];

const textOf = (job: JobName, { xact, id }: EventCursor): string => cursorOf(scopeOf(job), [xact, id]);

/** As many digits as every xid8 has room for. */
const XACT = /^\d{1,19}$/;
const toEventCursor = (job: JobName, text: string): EventCursor => {
  const [xact, id] = positionOf(scopeOf(job), text, ['text', 'number']);
  if (typeof xact !== 'string' || typeof id !== 'number' || !XACT.test(xact)) {
    throw invalid('BAD_CURSOR', 'The cursor is not one of ours. Watch the job again without one.');
  }
  return { xact, id };
};
