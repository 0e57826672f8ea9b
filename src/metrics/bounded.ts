/** Label values come from outside; a limit keeps them from growing the number of series without end. */

/** What values beyond the limit are counted as. */
export const OTHER = 'other';
/** Longer values are OTHER: a label is for reading. */
const VALUE_LENGTH_MAX = 128;

export type Bounded = {
  /** The value itself while there is room for it, and from then on always; OTHER for what came too late. */
  readonly admit: (value: string, within?: string) => string;
  /** Admitted so far, in order; `within` left out. */
  readonly admitted: () => readonly string[];
};

/** @param valuesMax distinct pairs of `within` and value. They are kept for the life of the process, so that no series changes its name. */
export const createBounded = (valuesMax: number): Bounded => {
  const known = new Map<string, string>();
  return {
    admit: (value, within = '') => {
      const key = `${within}\u0000${value}`;
      if (known.has(key)) return value;
      if (known.size >= valuesMax || value.length > VALUE_LENGTH_MAX) return OTHER;
      known.set(key, value);
      return value;
    },
    admitted: () => [...known.values()],
  };
};
