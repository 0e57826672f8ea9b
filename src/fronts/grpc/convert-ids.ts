/** Ids on the wire have 64 bits; the farm draws only ids that a number holds. */
import { Refusal } from '../../core/refusal.ts';

/** @throws Refusal NOT_FOUND for a number that was never drawn. */
export const idOf = (what: string, id: bigint): number => {
  const number = Number(id);
  if (Number.isSafeInteger(number)) return number;
  throw new Refusal('NOT_FOUND', 'NO_SUCH_ID', `There is no ${what} ${id}: the farm's numbers are smaller than that.`);
};

/** Proto3 says "not set" by an empty text. */
export const textOrNull = (text: string): string | null => (text === '' ? null : text);
