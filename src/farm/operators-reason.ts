/** The reason that a person gives for what they do, kept for the record. */
import type { Limits } from '../core/limits.ts';
import { checkReason, checkText } from '../core/text.ts';

/** Trimmed. @throws Refusal INVALID: missing, too long, or with a character that cannot be stored. */
export const checkedReason = (limits: Limits, reason: string, { required }: { readonly required: boolean }): string => {
  const text = reason.trim();
  if (required) checkReason('The reason', text, limits.text.reasonBytesMax);
  else checkText('The reason', text, limits.text.reasonBytesMax);
  return text;
};
