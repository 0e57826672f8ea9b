/** Files that DUTs are given by name, in versions: each is a content that never changes, and one of them is active. */
import { checkedPath } from './upload.ts';

export type ParameterContent = {
  /** In hex. */
  readonly sha256: string;
  readonly bytes: number;
};

export type ParameterVersion = ParameterContent & {
  /** From 1. */
  readonly version: number;
  /** FOUND: it lay there, put by hand, when another version took its place. */
  readonly origin: 'UPLOADED' | 'FOUND';
  readonly note: string;
  readonly madeBy: string;
  readonly madeAt: Date;
};

export type ParameterActivation = {
  readonly version: number;
  readonly reason: string;
  readonly activatedBy: string;
  readonly activatedAt: Date;
};

/**
 * What a DUT that asks for it is given. ACTIVE: the active version. CHANGED: what somebody has put in its place by hand. BY_HAND:
 * a file of which no version was ever active. MISSING: nothing, as the file was removed. INACTIVE: nothing, as no version was
 * ever active.
 */
export type ParameterState = 'ACTIVE' | 'CHANGED' | 'BY_HAND' | 'MISSING' | 'INACTIVE';

/** @param active the hash of the active version. @param given of the file that lies there. Null: there is none. */
export const parameterState = (active: string | null, given: string | null): ParameterState => {
  if (given === null) return active === null ? 'INACTIVE' : 'MISSING';
  if (active === null) return 'BY_HAND';
  return active === given ? 'ACTIVE' : 'CHANGED';
};

/** Below the folder of parameters. @throws Refusal INVALID. */
export const parameterPath = (path: string): string => checkedPath('The path of a parameter', path);
