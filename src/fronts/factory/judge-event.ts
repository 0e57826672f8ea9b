/** Whether an event of an upload can be taken in, and with which attachments. */
import type { Limits } from '../../core/limits.ts';
import { Refusal } from '../../core/refusal.ts';
import { type KeptAttachments, storable } from '../../core/testlog.ts';
import { readInstalogEvent } from '../../wire/instalog.ts';
import { readTestlog, type TestlogEvent } from '../../wire/testlog.ts';
import { toToldEvent } from './to-testlog.ts';

export const MESSAGE_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const;
export type MessageLevel = (typeof MESSAGE_LEVELS)[number];

export type JudgedEvent =
  | {
      readonly kind: 'event';
      readonly event: TestlogEvent;
      /** By the id of each attachment, the name of its part. */
      readonly named: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'bad'; readonly why: string };

export type Waiting = {
  /** By name, the parts that came before. */
  readonly parts: ReadonlyMap<string, unknown>;
  /** Whether the event says which of them are its own; else all are. */
  readonly isMulti: boolean;
};

/** @param text null: it is too large to be read. */
export const judgeEvent = (text: Buffer | null, waiting: Waiting, limits: Limits): JudgedEvent => {
  try {
    return judge(text, waiting, limits);
  } catch (error) {
    // The stack does not bear it, here or where it would be kept.
    if (error instanceof RangeError) return bad('The event is nested too deep, or lists too much, to be read.');
    throw error;
  }
};

const judge = (text: Buffer | null, { parts, isMulti }: Waiting, limits: Limits): JudgedEvent => {
  if (text === null) return bad(`The event has more than ${limits.testlog.eventBytesMax} bytes (eventBytesMax).`);
  const instalog = readInstalogEvent(text.toString('utf8'));
  if (instalog.kind === 'bad') return instalog;
  const testlog = readTestlog(instalog.event.payload);
  if (testlog.kind === 'bad') return testlog;
  const { event } = testlog;
  const named = isMulti ? instalog.event.attachments : new Map([...parts.keys()].map((name) => [name, name]));
  const why = lackOf(event, named, parts) ?? refusalOf(() => toToldEvent(event, standInsOf([...named.keys()]), limits));
  return why === null ? { kind: 'event', event, named } : bad(why);
};

const bad = (why: string): JudgedEvent => ({ kind: 'bad', why });

/** What of its attachments is not as it says; null: nothing. */
const lackOf = (
  event: TestlogEvent,
  named: ReadonlyMap<string, string>,
  parts: ReadonlyMap<string, unknown>,
): string | null => {
  const told = Object.keys('attachments' in event ? (event.attachments ?? {}) : {}).toSorted();
  const sent = [...named.keys()].toSorted();
  if (JSON.stringify(told) !== JSON.stringify(sent))
    return `The event tells of attachments ${JSON.stringify(told)}, and comes with ${JSON.stringify(sent)}.`;
  const missing = [...named.values()].filter((name) => !parts.has(name));
  if (missing.length > 0) return `There is no part ${JSON.stringify(missing[0])} before the event.`;
  return new Set(named.values()).size < named.size ? 'One part is used by two attachments of the event.' : null;
};

/** What is attached, before any of it is kept. */
const standInsOf = (ids: readonly string[]): KeptAttachments =>
  Object.fromEntries(ids.map((id) => [String(storable(id)), { sha256: '', bytes: 0, path: '' }]));

/** Null: it is not refused. */
const refusalOf = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
};

/** A message that says no level is kept. */
export const isBelow = (event: TestlogEvent, least: MessageLevel): boolean =>
  event.type === 'station.message' &&
  event.logLevel !== undefined &&
  MESSAGE_LEVELS.indexOf(event.logLevel) < MESSAGE_LEVELS.indexOf(least);

/** By which an attachment is found again; null: the event names none. */
export const serialOf = (event: TestlogEvent): string | null => {
  const serials = ('serialNumbers' in event ? event.serialNumbers : null) ?? {};
  return serials['serial_number'] ?? serials['mlb_serial_number'] ?? null;
};
