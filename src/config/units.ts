/** How values are written in the configuration: durations, sizes, counts and addresses, as text or as plain numbers. */
import { z } from 'zod';
import type { Address } from './address.ts';

const durationUnitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** Node's timers hold 2^31 − 1 ms, which is a little more. */
const DURATION_MAX_MS = 24 * 86_400_000;
const SIZE_MAX_BYTES = 1024 ** 5;
const COUNT_MAX = 1_000_000_000;
const PORT_MAX = 65_535;

/** `90 s` is 90 × the unit `s`; a bare number counts in `bareUnit`. Null when it is not so written. */
const measure = (
  written: string | number,
  units: Readonly<Record<string, number>>,
  bareUnit: string,
): number | null => {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(written).trim());
  const unit = units[match?.[2] === '' ? bareUnit : (match?.[2] ?? '')];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
};

type Reader = { readonly read: (written: string | number) => number | null; readonly wants: string };

/** A text or number that `read` understands; what it does not is refused with the words `wants`. */
const measured = ({ read, wants }: Reader) =>
  z
    .union([z.string(), z.number()], { error: `is neither text nor a number; write ${wants}` })
    .transform((written, context) => {
      const value = read(written);
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: `\`${written}\` is not understood; write ${wants}` });
      return z.NEVER;
    });

const within = (value: number | null, min: number, max: number): number | null =>
  value !== null && value >= min && value <= max ? value : null;

/** Nobody can use a part of a millisecond or of a byte, but `0.1 s` may leave one in binary. */
const whole = (value: number | null): number | null => (value === null ? null : Math.round(value));

/** Milliseconds. A bare number means seconds. */
export const duration = () =>
  measured({
    read: (written) => within(whole(measure(written, durationUnitMs, 's')), 1, DURATION_MAX_MS),
    wants: 'a duration from 1 ms to 24 d such as "90 s", "5 min", "250 ms" or "1 h" (a bare number means seconds)',
  });

/** Bytes. A bare number means bytes. */
export const size = () =>
  measured({
    read: (written) => within(whole(measure(written, sizeUnitBytes, 'B')), 1, SIZE_MAX_BYTES),
    wants: 'a size from 1 B to 1024 TiB such as "4 KiB" or "1 MiB" (a bare number means bytes)',
  });

export const count = () =>
  measured({
    read: (written) => {
      const value = within(measure(written, { one: 1 }, 'one'), 1, COUNT_MAX);
      return Number.isInteger(value) ? value : null;
    },
    wants: 'a whole number, 1 or more',
  });

export const share = () =>
  measured({ read: (written) => within(measure(written, { one: 1 }, 'one'), 0, 1), wants: 'a share from 0 to 1' });

/** A switch; the environment can only say it as text. */
export const onOff = () =>
  z
    .union([z.boolean(), z.enum(['true', 'false'])], { error: 'is no switch; write true or false' })
    .transform((written) => written === true || written === 'true');

/** HOST:PORT, with an IPv6 host in brackets. Port 0 lets the system choose. */
export const address = () =>
  z
    .string({ error: 'is no address; write HOST:PORT, such as "127.0.0.1:8081" or "[::1]:8081"' })
    .transform((written, context): Address => {
      const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.]+)?)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(written.trim());
      const host = match?.[1] ?? match?.[2];
      const port = Number(match?.[3]);
      if (host !== undefined && port <= PORT_MAX) return { host, port };
      context.addIssue({
        code: 'custom',
        message: `\`${written}\` is no address; write HOST:PORT, such as "127.0.0.1:8081" or "[::1]:8081"`,
      });
      return z.NEVER;
    });

const text = (value: number, units: Readonly<Record<string, number>>): string => {
  const fitting = Object.entries(units)
    .filter(([, unit]) => value % unit === 0)
    .at(-1);
  return fitting === undefined ? String(value) : `${String(value / fitting[1])} ${fitting[0]}`;
};

/** As a person writes it, in the largest unit that leaves a whole number. */
export const durationText = (ms: number): string => text(ms, durationUnitMs);
export const sizeText = (bytes: number): string => text(bytes, sizeUnitBytes);
