/** "Did you mean …?": the known name nearest to one that is not known. */

/** How many letters must be added, dropped, changed or swapped with their neighbour to make `b` out of `a`. */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, j - 2) + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
};

const at = (row: readonly number[], index: number): number => row[index] ?? Infinity;

const slipsMax = (candidate: string): number => Math.max(1, Math.floor(candidate.length / 3));

/** The nearest of `known`, case aside; null when none is near enough for a slip of the fingers. */
export const nearest = (name: string, known: readonly string[]): string | null => {
  const near = known
    // Lengths alone tell most apart, and spare the work that grows with both.
    .filter((candidate) => Math.abs(candidate.length - name.length) <= slipsMax(candidate))
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= slipsMax(candidate))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.candidate ?? null;
};

/** The end of a sentence about a name that is not known; empty when nothing is near. */
export const didYouMean = (name: string, known: readonly string[]): string => {
  const found = nearest(name, known);
  return found === null ? '' : `; did you mean \`${found}\`?`;
};
