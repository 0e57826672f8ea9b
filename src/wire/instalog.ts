/**
 * One event of an Instalog upload, in each of the three forms that uploaders send: the envelope, the pair of old ones, and
 * the bare payload.
 */
import { z } from 'zod';

export type InstalogEvent = {
  readonly payload: Readonly<Record<string, unknown>>;
  /** From the id of each attachment to the name of the part of the form that it came in. */
  readonly attachments: ReadonlyMap<string, string>;
};

export type InstalogRead =
  { readonly kind: 'event'; readonly event: InstalogEvent } | { readonly kind: 'bad'; readonly why: string };

const payload = z.record(z.string(), z.unknown());
const attachments = z.record(z.string(), z.string());

const envelope = z.looseObject({
  __type__: z.literal('Event'),
  payload,
  attachments: attachments.nullable().optional(),
  // The stages that it went through concern who forwards it, and change nothing of what it says.
  history: z.array(z.unknown()).nullable().optional(),
});

const pair = z.tuple([payload, attachments.nullable()]);

export const readInstalogEvent = (text: string): InstalogRead => {
  const parsed = parseJson(text);
  if (parsed.kind === 'bad') return parsed;
  const { value } = parsed;
  if (Array.isArray(value)) {
    const read = pair.safeParse(value);
    if (!read.success) return bad('a list that is not a payload and its attachments');
    return event(read.data[0], read.data[1]);
  }
  if (!isObject(value)) return bad('neither an object nor a list');
  if (value['__type__'] === undefined) return event(value, null);
  const read = envelope.safeParse(value);
  if (!read.success) return bad('an object with `__type__` that is no Event with a payload');
  return event(read.data.payload, read.data.attachments ?? null);
};

const event = (read: InstalogEvent['payload'], named: Readonly<Record<string, string>> | null): InstalogRead => ({
  kind: 'event',
  event: { payload: read, attachments: new Map(Object.entries(named ?? {})) },
});

const bad = (what: string): InstalogRead => ({ kind: 'bad', why: `The event is ${what}.` });

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const parseJson = (
  text: string,
): { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'bad'; readonly why: string } => {
  try {
    const value: unknown = JSON.parse(text);
    return { kind: 'value', value };
  } catch (error) {
    return { kind: 'bad', why: `The event is no JSON: ${error instanceof Error ? error.message : String(error)}.` };
  }
};
