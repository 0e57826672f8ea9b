/** How the names of `core/limits.ts` are written in the configuration: `ttlMs` is `ttl: 90 s` there. */
import { z } from 'zod';
import { type Limits, limitsFrom, limitTable } from '../core/limits.ts';
import { says } from './says.ts';
import { count, duration, durationText, share, size, sizeText } from './units.ts';

type Kind = { readonly schema: () => ReturnType<typeof duration>; readonly text: (value: number) => string | number };

const kindOf = (name: string): Kind => {
  if (name.endsWith('Ms')) return { schema: duration, text: durationText };
  if (/Bytes(?:Max|Min)$/.test(name)) return { schema: size, text: sizeText };
  if (name.endsWith('Share')) return { schema: share, text: (value) => value };
  return { schema: count, text: (value) => value };
};

const keyOf = (name: string): string => name.replace(/Ms$/, '');

/** The section `limits`: every group and every name of the table, with its default and its meaning. */
export const limitsSchema = () =>
  z.strictObject(
    Object.fromEntries(Object.entries(limitTable).map(([group, declared]) => [group, groupSchema(declared)])),
  );

const groupSchema = (declared: Readonly<Record<string, readonly [byDefault: number, meaning: string]>>) =>
  z
    .strictObject(
      Object.fromEntries(
        Object.entries(declared).map(([name, [byDefault, meaning]]) => {
          const { schema, text } = kindOf(name);
          return [
            keyOf(name),
            schema()
              .default(byDefault)
              .register(says, { meaning, byDefault: String(text(byDefault)) }),
          ];
        }),
      ),
    )
    .prefault({});

/** What the section says, under the farm's names. */
export const limitsOf = (section: z.output<ReturnType<typeof limitsSchema>>): Limits =>
  limitsFrom((group, name, byDefault) => section[group]?.[keyOf(name)] ?? byDefault);

/** The section as a person would write it. */
export const limitsText = (limits: Limits): Readonly<Record<string, Readonly<Record<string, string | number>>>> =>
  Object.fromEntries(
    Object.entries(limits).map(([group, values]) => [
      group,
      Object.fromEntries(
        Object.entries<number>(values).map(([name, value]) => [keyOf(name), kindOf(name).text(value)]),
      ),
    ]),
  );
