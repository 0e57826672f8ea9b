/** From zod's schemas to JSON Schema (2020-12) as OpenAPI and AsyncAPI hold it: what has an id is told once, by reference. */
import { z } from 'zod';

export type Json = Readonly<Record<string, unknown>>;

/** By id. */
export type Schemas = Map<string, Json>;

const HERE = '#/components/schemas/';

/** What a body must be. */
export const bodyOf = (schema: z.ZodType, into: Schemas): Json => schemasInto(into, schema, 'input');

/**
 * @param side `input`: what may be sent, keys with a default left out. `output`: what is shown.
 * @param into gets what the schema refers to.
 */
export const schemasInto = (into: Schemas, schema: z.ZodType, side: 'input' | 'output'): Json => {
  const made = z.toJSONSchema(schema, { io: side, unrepresentable: 'any', override: tidy(side) });
  const { $schema: _, $defs = {}, ...root } = toPlain(made);
  for (const [id, each] of Object.entries(toRecords($defs))) into.set(id, each);
  return root;
};

type Made = Parameters<NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>>[0];

/**
 * Bounds that every number of ours has, and patterns that only say again what a format says, are left out. What is shown may
 * gain members, so that it is not said to have no others.
 */
const tidy =
  (side: 'input' | 'output') =>
  ({ jsonSchema }: Made): void => {
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    // Of many values one may be given alone, but a list says it all.
    if (jsonSchema.type === 'array' && jsonSchema.anyOf !== undefined) delete jsonSchema.anyOf;
    if (side === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
  };

/** As it goes over the wire, its references where they will be. */
function toPlain(made: unknown): Json {
  return JSON.parse(JSON.stringify(made).replaceAll('"#/$defs/', `"${HERE}`)) as Json;
}

function toRecords(defs: unknown): Readonly<Record<string, Json>> {
  return defs as Readonly<Record<string, Json>>;
}
