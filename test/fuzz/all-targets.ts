/** Everything that is fuzzed. */
import { factory } from './targets/factory.ts';
import { grpc } from './targets/grpc.ts';
import { h2 } from './targets/h2.ts';
import { partner } from './targets/partner.ts';
import { config, xml } from './targets/readers.ts';
import { httpRaw, rest } from './targets/rest.ts';
import { shopfloor } from './targets/shopfloor.ts';
import type { Target } from './target.ts';

export const allTargets: readonly Target[] = [grpc, h2, rest, httpRaw, factory, partner, shopfloor, xml, config];

export const targetNamed = (name: string): Target => {
  const target = allTargets.find((each) => each.name === name);
  if (target !== undefined) return target;
  throw new Error(`nothing is called ${name}; there are ${allTargets.map((each) => each.name).join(', ')}`);
};
