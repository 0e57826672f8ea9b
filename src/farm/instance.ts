/** Whether an instance is one of this farm's. */
import type { Line } from '../core/line.ts';
import { invalid } from '../core/refusal.ts';
import { checkText } from '../core/text.ts';
import type { FarmSeams } from './farm.ts';

/** @throws Refusal INVALID, UNKNOWN_INSTANCE. */
export const lineFor = (farm: Pick<FarmSeams, 'lineOf' | 'limits'>, instance: string): Line => {
  // A farm whose configuration names no lines takes any.
  checkText('The instance', instance, farm.limits.text.nameBytesMax);
  const line = farm.lineOf(instance);
  if (line !== null) return line;
  throw invalid(
    'UNKNOWN_INSTANCE',
    `There is no instance ${JSON.stringify(instance)} on this farm. Use one that its configuration declares under "lines".`,
  );
};
