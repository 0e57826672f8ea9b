/** What came of one upload of events so far: attachments that wait for their event, and events that wait for their commit. */
import type { Limits } from '../../core/limits.ts';
import type { Received } from '../../uploads/received.ts';
import { type Committer, commitEvents, type HeldEvent } from './commit-events.ts';
import { isBelow, judgeEvent, type JudgedEvent, type MessageLevel, type Waiting } from './judge-event.ts';
import type { Part } from './read-parts.ts';

export type EventBasket = {
  /** Takes a part over, with what is in it. @throws Refusal; errors of the disk and of the database. */
  readonly put: (part: Part) => Promise<void>;
  /** Commits what is left. Null: all of the upload is kept; else what is wrong with it, in words. */
  readonly finish: () => Promise<string | null>;
  /** What is left of an upload that was not finished goes. */
  readonly discard: () => Promise<void>;
};

export type BasketParts = Committer & {
  /** Messages below it are accepted and dropped. */
  readonly messageLevel: MessageLevel;
  /** Whether several events may come, each behind its attachments; else all fields but the one event are attached to it. */
  readonly isMulti: boolean;
};

/** So much of an event that was put aside is in the database; a larger one is in a file. */
const BAD_BYTES_MAX = 64 * 1024;
const NAMES_SHOWN_MAX = 5;

/**
 * An upload of the usual size is one commit, and nothing of it is kept when its end is not as it should be. A larger one is several:
 * each event counts once, however often it comes.
 */
export const createBasket = (parts: BasketParts): EventBasket => {
  const { isMulti } = parts;
  const { limits } = parts.farm;
  const waiting = new Map<string, Received>();
  const batch = createBatch(parts, waiting);
  let lone: Received | null = null;
  let wrong: string | null = null;

  const wait = async (name: string, received: Received): Promise<void> => {
    if (waiting.has(name)) wrong ??= `Two parts of the form are called ${JSON.stringify(name)} and wait for an event.`;
    const former = waiting.get(name);
    waiting.set(name, received);
    await former?.discard();
    // An open file each would soon be too many, too.
    if (!received.isHeld || !batch.hasRoomFor(received.bytes)) await received.settle();
  };

  const takeEvent = async (received: Received): Promise<void> => {
    const { text, judged } = await judgedOf(received, { parts: waiting, isMulti }, limits);
    if (judged.kind === 'bad') {
      // What came before an event that nobody can take is put aside with it: it was meant for it.
      const attachments = [...waiting];
      waiting.clear();
      await batch.add({ kind: 'bad', why: judged.why, received, text: small(text), attachments }, received.bytes);
      return;
    }
    await received.discard();
    if (isBelow(judged.event, parts.messageLevel)) parts.counts.told('dropped', 1);
    else await batch.add({ kind: 'event', event: judged.event, attachments: taken(waiting, judged) }, received.bytes);
  };

  return {
    put: async ({ name, received }) => {
      if (name !== 'event') return wait(name, received);
      if (isMulti) return takeEvent(received);
      if (lone !== null) {
        wrong ??= 'The form has several events: say so with the header `Multi-Event: True`.';
        return received.discard();
      }
      lone = received;
    },
    finish: async () => {
      if (wrong !== null) return wrong;
      if (!isMulti && lone === null) return 'The form has no field called `event`.';
      if (lone !== null) {
        const event = lone;
        lone = null;
        await takeEvent(event);
      }
      if (waiting.size === 0) {
        await batch.flush();
        return null;
      }
      const names = [...waiting.keys()].slice(0, NAMES_SHOWN_MAX).map((name) => JSON.stringify(name));
      return `No event of the form uses ${names.join(', ')}. Each part but the events must be an attachment of one that follows it.`;
    },
    discard: async () => {
      await discardAll([...waiting.values(), ...(lone === null ? [] : [lone])]);
      await batch.discard();
    },
  };
};

const judgedOf = async (
  received: Received,
  waiting: Waiting,
  limits: Limits,
): Promise<{ readonly text: Buffer | null; readonly judged: JudgedEvent }> => {
  try {
    const text = received.bytes > limits.testlog.eventBytesMax ? null : await wholeOf(received);
    return { text, judged: judgeEvent(text, waiting, limits) };
  } catch (error) {
    await received.discard();
    throw error;
  }
};

type Batch = {
  /** @param bytes of the event as it came. */
  readonly add: (event: HeldEvent, bytes: number) => Promise<void>;
  /** Whether so much more can be in memory until the next commit; then it counts. */
  readonly hasRoomFor: (bytes: number) => boolean;
  readonly flush: () => Promise<void>;
  readonly discard: () => Promise<void>;
};

const createBatch = (parts: BasketParts, waiting: ReadonlyMap<string, Received>): Batch => {
  const { batchBytesMax, batchEventsMax } = parts.farm.limits.testlog;
  const held: HeldEvent[] = [];
  let heldBytes = 0;
  const discard = (): Promise<void> => discardAll(held.splice(0).flatMap(contentsOf));
  const flush = async (): Promise<void> => {
    await commitEvents(parts, held);
    await discard();
    for (const received of waiting.values()) await received.settle();
    heldBytes = 0;
  };
  return {
    add: async (event, bytes) => {
      held.push(event);
      heldBytes += bytes;
      if (event.kind === 'bad' && !event.received.isHeld) await event.received.settle();
      if (heldBytes > batchBytesMax || held.length >= batchEventsMax) await flush();
    },
    hasRoomFor: (bytes) => {
      if (heldBytes + bytes > batchBytesMax) return false;
      heldBytes += bytes;
      return true;
    },
    flush,
    discard,
  };
};

/** What the database keeps of an event that is put aside; null: it is a file. */
const small = (text: Buffer | null): Buffer | null => (text !== null && text.length <= BAD_BYTES_MAX ? text : null);

/** The attachments of an event leave what waits. */
const taken = (
  waiting: Map<string, Received>,
  { named }: Extract<JudgedEvent, { kind: 'event' }>,
): readonly (readonly [string, Received])[] => {
  const own = [...named].flatMap(([id, name]): [string, Received][] => {
    const found = waiting.get(name);
    return found === undefined ? [] : [[id, found]];
  });
  for (const name of named.values()) waiting.delete(name);
  return own;
};

const contentsOf = (held: HeldEvent): readonly Received[] => [
  ...(held.kind === 'bad' ? [held.received] : []),
  ...held.attachments.map(([, received]) => received),
];

/** What of it has no place of its own by now; one that cannot be removed keeps none of the others. */
const discardAll = async (all: readonly Received[]): Promise<void> => {
  await Promise.allSettled(all.map((received) => received.discard()));
};

const wholeOf = async ({ read }: Received): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of read()) pieces.push(piece);
  return Buffer.concat(pieces);
};
