/** Durations as text: a number and `ms`, `s`, `min` or `h`, such as `90s`. */
import { z } from 'zod';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };
const FORM = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/;

/** Milliseconds. */
export const duration = () =>
  z.string().transform((text, context) => {
    const [, number, unit] = FORM.exec(text) ?? [];
    const ms = Math.round(Number(number) * (unitMs[unit ?? ''] ?? Number.NaN));
    if (Number.isSafeInteger(ms)) return ms;
    context.addIssue({
      code: 'custom',
      message: `${JSON.stringify(text)} is no duration; write one such as "90s" or "5min"`,
    });
    return z.NEVER;
  });

/** In seconds, as protobuf's JSON has it. Null stays null. */
export const durationText = (ms: number | null): string | null => (ms === null ? null : `${ms / 1000}s`);
