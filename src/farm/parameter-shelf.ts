/** The folder from which DUTs are given files by name, as far as the farm's verbs for it need one. */
import type { ParameterContent } from '../core/parameter.ts';
import { Refusal } from '../core/refusal.ts';

export type ParameterShelf = {
  /** Which folder. */
  readonly depot: string;
  /** Runs the work while no other process changes what DUTs are given under this path. */
  readonly alone: <T>(path: string, work: () => Promise<T>) => Promise<T>;
  /** Every path under which there is a file. */
  readonly names: () => Promise<readonly string[]>;
  /** What DUTs are given under a path; null: nothing. */
  readonly given: (path: string) => Promise<ParameterContent | null>;
  /** Keeps what DUTs are given now as a content of its own. */
  readonly keepGiven: (path: string) => Promise<ParameterContent>;
  /** From now on DUTs are given this content, which was kept: all of it, or what was there before. */
  readonly give: (path: string, sha256: string) => Promise<void>;
};

/** What is at the factory door of an instance. */
export type OpenShelf = { readonly shelf: ParameterShelf; readonly instance: string };

/** @param open null: this replica has no factory door. @throws Refusal NOT_FOUND. */
export const shelfOf = <T extends { readonly instance: string }>(open: T | null, instance: string): T => {
  if (open?.instance === instance) return open;
  const words =
    open === null
      ? 'This replica has no factory door, and so no parameters. Open one with --factory, or ask the replica that has it.'
      : `The factory door of this replica is of instance ${JSON.stringify(open.instance)}. Ask for its parameters there.`;
  throw new Refusal('NOT_FOUND', 'NO_PARAMETERS', words);
};

/** Under which uploads to a path, and its activations, wait for each other. */
export const parameterLock = (path: string): string => `parameters/${path}`;
