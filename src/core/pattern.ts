/** Patterns over bot ids: `*` for any run of characters, none included, `?` for one. Everything else is itself. */

/**
 * Whether the whole text fits. A later star takes over from an earlier one for good, so nothing is tried twice over: at
 * most (length of pattern) × (length of text) steps, whatever the pattern.
 */
export const matchesPattern = (pattern: string, text: string): boolean => {
  // By code points, so that `?` is one character to the eye and to the database alike.
  const wanted = Array.from(pattern);
  const given = Array.from(text);
  let p = 0;
  let t = 0;
  let star = -1;
  let retryAt = 0;
  while (t < given.length) {
    if (wanted[p] === '*') {
      star = p;
      retryAt = t;
      p += 1;
    } else if (p < wanted.length && (wanted[p] === '?' || wanted[p] === given[t])) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      // The star takes one character more.
      p = star + 1;
      retryAt += 1;
      t = retryAt;
    } else return false;
  }
  while (wanted[p] === '*') p += 1;
  return p === wanted.length;
};

/** The same pattern for SQL's `like … escape '\'`. */
export const likePattern = (pattern: string): string =>
  pattern
    .replaceAll(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
