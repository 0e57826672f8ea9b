/** What the shapes of many replies are made of. */
import { z } from 'zod';

/** Words of a type of the farm's, each and no other: `z.enum({ A: 'A' } satisfies Words<'A'>)`. */
export type Words<W extends string> = { readonly [K in W]: K };

export const at = z.iso.datetime();

/** A number above 0 that the farm drew. */
export const number = z.number().int().min(1);

export const count = z.number().int().min(0);

/** As protobuf's JSON has it: seconds, with up to three digits after the point. */
export const seconds = z.string().regex(/^\d+(\.\d{1,3})?s$/);

export const serials = z
  .record(z.string(), z.string())
  .describe('By name; the newest of several values under one name.');

/** Give it back as `pageToken`. */
export const nextPageToken = z.string().describe('Of the next page; empty: this is the last one.');

/** A google.protobuf.Any. */
export const any = z.strictObject({ typeUrl: z.string(), value: z.base64() }).meta({
  id: 'Any',
  description: "A message that is not the farm's to read: its type, and its bytes in base64.",
});
