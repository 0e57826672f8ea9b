/** How many entries a page of a list has. */
import type { Limits } from '../core/limits.ts';
import { invalid } from '../core/refusal.ts';

/** What a caller says of the page it wants. */
export type PageAsked = {
  /** 0: the default. More than the most allowed is cut to that, as AIP-158 has it. */
  readonly pageSize: number;
  /** From a former answer; empty: the first page. */
  readonly pageToken: string;
};

/** @throws Refusal INVALID for a negative size. */
export const pageSizeOf = (limits: Limits, { pageSize }: Pick<PageAsked, 'pageSize'>): number => {
  if (!Number.isInteger(pageSize) || pageSize < 0) {
    throw invalid('PAGE_SIZE', `The page size is ${pageSize}; it must be 0 (for the default) or more.`);
  }
  return pageSize === 0 ? limits.text.pageDefault : Math.min(pageSize, limits.text.pageMax);
};
