/** What came of one upload of events so far: attachments that wait for their event, and events that wait for their commit. */
import { attachmentPath, type BadEvent, type KeptAttachments, type ToldEvent } from '../../core/testlog.ts';
import type { Farm } from '../../farm/farm.ts';
import { takeTestlog } from '../../farm/take-testlog.ts';
import type { Received } from '../../uploads/received.ts';
import { redactText } from '../../wire/redact.ts';
import type { FactoryCounts } from './counts.ts';
import { isBelow, judgeEvent, type JudgedEvent, type MessageLevel, serialOf } from './judge-event.ts';
import type { Part } from './read-parts.ts';
import { toToldEvent } from './to-testlog.ts';
import type { Uploads } from './uploads.ts';

export type EventBasket = {
  /** Takes a part over, with what is in it. @throws Refusal; errors of the disk and of the database. */
  readonly put: (part: Part) => Promise<void>;
  /** Commits what is left. Null: all of the upload is kept; else what is wrong with it, in words. */
  readonly finish: () => Promise<string | null>;
  /** What is left of an upload that was not finished goes. */
  readonly discard: () => Promise<void>;
};

export type BasketParts = {
  readonly farm: Farm;
  readonly uploads: Uploads;
  readonly counts: FactoryCounts;
  readonly instance: string;
  /** Messages below it are accepted and dropped. */
  readonly messageLevel: MessageLevel;
  readonly peer: string;
  readonly nodeId: string | null;
  /** Whether several events may come, each behind its attachments; else all fields but the one event are attached to it. */
  readonly isMulti: boolean;
};

/** So much of an event that was put aside is in the database; a larger one is in a file. */
const BAD_BYTES_MAX = 64 * 1024;
const NAMES_SHOWN_MAX = 5;

export const createBasket = (parts: BasketParts): EventBasket => {
  const { isMulti } = parts;
  const batch = createBatch(parts);
  const waiting = new Map<string, Received>();
  let lone: Received | null = null;
  let wrong: string | null = null;

  const takeEvent = async (received: Received): Promise<void> => {
    try {
      const { limits } = parts.farm;
      const text = received.bytes > limits.testlog.eventBytesMax ? null : await wholeOf(received);
      const judged = judgeEvent(text, { parts: waiting, isMulti }, limits);
      if (judged.kind === 'bad') {
        // What came before an event that nobody can take is put aside with it: it was meant for it.
        await batch.addBad(await putAside(parts, { received, text, why: judged.why, attachments: [...waiting] }));
        waiting.clear();
      } else if (isBelow(judged.event, parts.messageLevel)) parts.counts.told('dropped', 1);
      else await batch.add(await withAttachments(parts, judged, waiting), received.bytes);
    } finally {
      await received.discard();
    }
  };

  return {
    put: async ({ name, received }) => {
      if (name !== 'event') {
        if (waiting.has(name))
          wrong ??= `Two parts of the form are called ${JSON.stringify(name)} and wait for an event.`;
        await waiting.get(name)?.discard();
        waiting.set(name, received);
        return;
      }
      if (isMulti) return takeEvent(received);
      if (lone !== null) {
        wrong ??= 'The form has several events: say so with the header `Multi-Event: True`.';
        await lone.discard();
      }
      lone = received;
    },
    finish: async () => {
      if (wrong !== null) return wrong;
      if (!isMulti && lone === null) return 'The form has no field called `event`.';
      if (lone !== null) await takeEvent(lone);
      if (waiting.size === 0) {
        await batch.flush();
        return null;
      }
      const names = [...waiting.keys()].slice(0, NAMES_SHOWN_MAX).map((name) => JSON.stringify(name));
      return `No event of the form uses ${names.join(', ')}. Each part but the events must be an attachment of one that follows it.`;
    },
    discard: async () => {
      await lone?.discard();
      for (const received of waiting.values()) await received.discard();
    },
  };
};

type Batch = {
  /** @param bytes of the event as it came. */
  readonly add: (event: ToldEvent, bytes: number) => Promise<void>;
  readonly addBad: (event: BadEvent) => Promise<void>;
  readonly flush: () => Promise<void>;
};

/** An upload of the usual size is one commit. A larger one is several: each event counts once, however often it comes. */
const createBatch = ({ farm, counts, instance, nodeId, peer }: BasketParts): Batch => {
  const { batchBytesMax, batchEventsMax } = farm.limits.testlog;
  let events: ToldEvent[] = [];
  let bad: BadEvent[] = [];
  let heldBytes = 0;
  const flush = async (): Promise<void> => {
    if (events.length + bad.length === 0) return;
    const { kept, repeated, quarantined } = await takeTestlog(farm, { instance, nodeId, peer, events, bad });
    counts.told('kept', kept);
    counts.told('repeated', repeated);
    counts.told('quarantined', quarantined);
    [events, bad, heldBytes] = [[], [], 0];
  };
  const flushFull = async (bytes: number): Promise<void> => {
    heldBytes += bytes;
    if (heldBytes > batchBytesMax || events.length + bad.length >= batchEventsMax) await flush();
  };
  return {
    flush,
    add: (event, bytes) => {
      events.push(event);
      return flushFull(bytes);
    },
    addBad: (event) => {
      bad.push(event);
      return flushFull(event.event?.length ?? 0);
    },
  };
};

type Aside = {
  readonly received: Received;
  readonly text: Buffer | null;
  readonly why: string;
  readonly attachments: readonly (readonly [string, Received])[];
};

const putAside = async (parts: BasketParts, { received, text, why: told, attachments }: Aside): Promise<BadEvent> => {
  const { sha256, bytes } = received;
  const why = redactText(told);
  const { peer, nodeId } = parts;
  const kept = await keepAll(parts, attachments, {
    pathOf: (id) => attachmentPath('quarantine', sha256, id),
    serial: null,
  });
  const path = text !== null && bytes <= BAD_BYTES_MAX ? null : attachmentPath('quarantine', sha256, 'event');
  if (path !== null) await parts.uploads.attachment(peer, received, path, null);
  parts.farm.log.warn({ peer, nodeId, sha256, why }, 'an event of a DUT was put aside');
  return { sha256, bytes, reason: why, event: path === null ? redactedBytes(text) : null, path, attachments: kept };
};

/** As it came, but for registration codes: it is shown, and its hash tells it from others all the same. */
const redactedBytes = (text: Buffer | null): Buffer | null => {
  const shown = redactText(text?.toString('latin1') ?? '');
  return text && Buffer.from(shown, 'latin1');
};

/** @param waiting what belongs to the event leaves it. */
const withAttachments = async (
  parts: BasketParts,
  { event, named }: Extract<JudgedEvent, { kind: 'event' }>,
  waiting: Map<string, Received>,
): Promise<ToldEvent> => {
  const own = [...named].flatMap(([id, name]): [string, Received][] => {
    const found = waiting.get(name);
    return found === undefined ? [] : [[id, found]];
  });
  const pathOf = (id: string): string => attachmentPath('testlog', event.uuid, id);
  const kept = await keepAll(parts, own, { pathOf, serial: serialOf(event) });
  for (const name of named.values()) waiting.delete(name);
  return toToldEvent(event, kept, parts.farm.limits);
};

const keepAll = async (
  { uploads, peer }: BasketParts,
  all: readonly (readonly [string, Received])[],
  { pathOf, serial }: { readonly pathOf: (id: string) => string; readonly serial: string | null },
): Promise<KeptAttachments> => {
  const kept: [string, KeptAttachments[string]][] = [];
  for (const [id, received] of all) {
    const path = pathOf(id);
    await uploads.attachment(peer, received, path, serial);
    kept.push([id, { sha256: received.sha256, bytes: received.bytes, path }]);
  }
  return Object.fromEntries(kept);
};

const wholeOf = async ({ read }: Received): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of read()) pieces.push(piece);
  return Buffer.concat(pieces);
};
