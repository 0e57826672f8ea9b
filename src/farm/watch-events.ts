/** Follows what happens in an instance, from now on or from where a reader stood. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import type { FarmEventKind } from '../core/farm-event.ts';
import { invalid } from '../core/refusal.ts';
import { checkText } from '../core/text.ts';
import type { EventPlace, EventTail, StoredEvent } from './event-tail.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';

export type EventsAsked = {
  readonly instance: string;
  /** Empty: of any kind. */
  readonly kinds: readonly FarmEventKind[];
  /** Null: about any; so for the next two. */
  readonly jobId: number | null;
  readonly botId: string | null;
  readonly deviceId: number | null;
};

export type EventsWatched = {
  /** Null: only where the reader now stands. */
  readonly event: StoredEvent | null;
  /** Resumes after it, on any replica. */
  readonly cursor: string;
};

/**
 * The first message says where the watch begins; then one for each event, and one after events that were not asked for.
 * @param cursor empty: from now on. The signal ends the watch, without an error.
 * @throws Refusal INVALID for an unknown instance or a bad cursor, at the first message.
 */
export async function* watchEvents(
  farm: Pick<Farm, 'lineOf' | 'limits'>,
  tail: EventTail,
  { cursor, signal, ...asked }: EventsAsked & { readonly cursor: string; readonly signal: AbortSignal },
): AsyncGenerator<EventsWatched, void, void> {
  lineFor(farm, asked.instance);
  if (asked.botId !== null) checkText('The bot', asked.botId, farm.limits.text.nameBytesMax);
  const scope = ['events', asked.instance, [...asked.kinds].sort(), asked.jobId, asked.botId, asked.deviceId];
  const textOf = ({ xact, id, at }: EventPlace): string => cursorOf(scope, [xact, id, at.getTime()]);
  const begin = cursor === '' ? null : toPlace(scope, cursor);
  for await (const { events, upTo } of tail.follow(begin, signal)) {
    for (const event of events) if (isAsked(asked, event)) yield { event, cursor: textOf(event.place) };
    const last = events.at(-1);
    if (last === undefined || !isAsked(asked, last)) yield { event: null, cursor: textOf(upTo) };
  }
}

const isAsked = ({ instance, kinds, jobId, botId, deviceId }: EventsAsked, event: StoredEvent): boolean =>
  event.instance === instance &&
  (kinds.length === 0 || kinds.includes(event.kind)) &&
  (jobId === null || event.jobId === jobId) &&
  (botId === null || event.botId === botId) &&
  (deviceId === null || event.deviceId === deviceId);

/** As many digits as every xid8 has room for. */
const XACT = /^\d{1,19}$/;
/** What a Date can be. */
const AT_MAX_MS = 8.64e15;

const toPlace = (scope: readonly unknown[], text: string): EventPlace => {
  const [xact, id, atMs] = positionOf(scope, text, ['text', 'number', 'number']);
  if (typeof xact !== 'string' || !XACT.test(xact) || Math.abs(Number(atMs)) > AT_MAX_MS) {
    throw invalid('BAD_CURSOR', 'The cursor is not one of ours. Watch again without one.');
  }
  return { xact, id: Number(id), at: new Date(Number(atMs)) };
};
