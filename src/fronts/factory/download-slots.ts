/**
 * Who may download now: so many DUTs at once, the others in the order in which they asked. Each replica keeps a queue of its
 * own, in memory: after a restart DUTs ask anew.
 */
import type { Clock } from '../../core/clock.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import type { Limits } from '../../core/limits.ts';
import type { UmpireDut } from './umpire-dut.ts';

export type DownloadSlots = {
  /**
   * Begins to wait, says that it is still there, or leaves: by what the DUT says of itself.
   * @returns its place: 0, it may go; more, so many are before it; -1, it has left.
   * @throws Refusal INVALID for a uuid that is not in the queue; LIMIT_REACHED.
   */
  readonly ask: (dut: UmpireDut) => { readonly uuid: string; readonly place: number };
};

export const createDownloadSlots = (parts: {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly limits: Limits['downloads'];
}): DownloadSlots => {
  const { clock, newId, limits } = parts;
  /** By uuid, when each was last heard of; in the order in which they came. */
  const queue = new Map<string, number>();

  const forgetSilent = (nowMs: number): void => {
    for (const [uuid, heardMs] of queue) if (nowMs - heardMs > limits.silentMs) queue.delete(uuid);
  };
  const placeOf = (uuid: string): number => Math.max(0, [...queue.keys()].indexOf(uuid) + 1 - limits.slots);

  return {
    ask: (dut) => {
      const nowMs = clock.monotonicMs();
      forgetSilent(nowMs);
      const given = dut.get('uuid') ?? '';
      const leaves = (dut.get('drop_slot') ?? '') !== '';
      if (given === '' && leaves) throw unknown('A DUT that leaves says its uuid.');
      if (given !== '' && !queue.has(given)) throw unknown('Its uuid is not in the queue: ask anew with an empty one.');
      if (leaves) {
        queue.delete(given);
        return { uuid: given, place: -1 };
      }
      if (given === '' && queue.size >= limits.waitingMax)
        throw new Refusal('LIMIT_REACHED', 'DOWNLOADS_WAITING', `${queue.size} DUTs wait for a download already.`);
      const uuid = given === '' ? newId() : given;
      queue.set(uuid, nowMs);
      return { uuid, place: placeOf(uuid) };
    },
  };
};

const unknown = (why: string) => invalid('DOWNLOAD_SLOT_UNKNOWN', why);
