/** From events of an upload, as they were judged, to the commit that keeps them, with their attachments. */
import { attachmentPath, type BadEvent, type KeptAttachments, storable, type ToldEvent } from '../../core/testlog.ts';
import { storableText } from '../../core/text.ts';
import type { Farm } from '../../farm/farm.ts';
import { takeTestlog } from '../../farm/take-testlog.ts';
import type { Received } from '../../uploads/received.ts';
import { redactText } from '../../wire/redact.ts';
import type { TestlogEvent } from '../../wire/testlog.ts';
import type { FactoryCounts } from './counts.ts';
import { serialOf } from './judge-event.ts';
import { toToldEvent } from './to-testlog.ts';
import type { Uploads } from './uploads.ts';

/** By the id under which each is kept. */
export type Attachments = readonly (readonly [id: string, Received])[];

/** Nothing of it is kept yet. */
export type HeldEvent =
  | { readonly kind: 'event'; readonly event: TestlogEvent; readonly attachments: Attachments }
  | {
      readonly kind: 'bad';
      readonly why: string;
      readonly received: Received;
      /** As it came; null: it is large, and becomes a file. */
      readonly text: Buffer | null;
      readonly attachments: Attachments;
    };

export type Committer = {
  readonly farm: Farm;
  readonly uploads: Uploads;
  readonly counts: FactoryCounts;
  readonly instance: string;
  readonly peer: string;
  readonly nodeId: string | null;
};

/** First what is attached, then all events at once. */
export const commitEvents = async (committer: Committer, held: readonly HeldEvent[]): Promise<void> => {
  if (held.length === 0) return;
  const events: ToldEvent[] = [];
  const bad: BadEvent[] = [];
  for (const each of held) {
    if (each.kind === 'bad') bad.push(await putAside(committer, each));
    else events.push(await withAttachments(committer, each));
  }
  const { farm, counts, instance, nodeId, peer } = committer;
  const { kept, repeated, quarantined } = await takeTestlog(farm, { instance, nodeId, peer, events, bad });
  counts.told('kept', kept);
  counts.told('repeated', repeated);
  counts.told('quarantined', quarantined);
};

const putAside = async (
  committer: Committer,
  { received, text, why, attachments }: Extract<HeldEvent, { kind: 'bad' }>,
): Promise<BadEvent> => {
  const { farm, uploads, peer, nodeId } = committer;
  const { sha256, bytes } = received;
  // It quotes what came.
  const reason = storableText(redactText(why), farm.limits.text.reasonBytesMax);
  const pathOf = (id: string): string => attachmentPath('quarantine', sha256, id);
  const kept = await keepAll(committer, attachments, { pathOf, serial: null });
  const path = text === null ? pathOf('event') : null;
  if (path !== null) await uploads.attachment(peer, received, path, null);
  farm.log.warn({ peer, nodeId, sha256, why: reason }, 'an event of a DUT was put aside');
  return { sha256, bytes, reason, event: redactedBytes(text), path, attachments: kept };
};

/** As it came, but for registration codes: it is shown, and its hash tells it from others all the same. */
const redactedBytes = (text: Buffer | null): Buffer | null =>
  text && Buffer.from(redactText(text.toString('latin1')), 'latin1');

const withAttachments = async (
  committer: Committer,
  { event, attachments }: Extract<HeldEvent, { kind: 'event' }>,
): Promise<ToldEvent> => {
  const pathOf = (id: string): string => attachmentPath('testlog', event.uuid, id);
  const kept = await keepAll(committer, attachments, { pathOf, serial: serialOf(event) });
  return toToldEvent(event, kept, committer.farm.limits);
};

const keepAll = async (
  { uploads, peer }: Committer,
  all: Attachments,
  { pathOf, serial }: { readonly pathOf: (id: string) => string; readonly serial: string | null },
): Promise<KeptAttachments> => {
  const kept: [string, KeptAttachments[string]][] = [];
  for (const [id, received] of all) {
    const path = pathOf(id);
    await uploads.attachment(peer, received, path, serial);
    kept.push([String(storable(id)), { sha256: received.sha256, bytes: received.bytes, path }]);
  }
  return Object.fromEntries(kept);
};
