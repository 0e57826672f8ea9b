/** Patterns over bot ids: `*` for any run of characters, none included, `?` for one. Everything else is itself. */

/**
 * Whether the whole text fits. A later star takes over from an earlier one for good, so nothing is tried twice over: at
 * most (length of pattern) × (length of text) steps, whatever the pattern.
 */
export const matchesPattern = (pattern: string, text: string): boolean =>
  fitsTokens(
    Array.from(pattern, (piece): Token => (piece === '*' || piece === '?' ? tokens[piece] : (one) => one === piece)),
    text,
  );

/** `run`: any characters, or none. Else whether one character fits. */
export type Token = 'run' | ((character: string) => boolean);

export const tokens = { '*': 'run', '?': () => true } as const satisfies Record<string, Token>;

/** The walk of `matchesPattern`, for patterns with other tokens. */
export const fitsTokens = (wanted: readonly Token[], text: string): boolean => {
  // By code points, so that `?` is one character to the eye and to the database alike.
  const given = Array.from(text);
  let p = 0;
  let t = 0;
  let star = -1;
  let retryAt = 0;
  while (t < given.length) {
    const token = wanted[p];
    if (token === 'run') {
      star = p;
      retryAt = t;
      p += 1;
    } else if (token?.(given[t] ?? '') === true) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      // The star takes one character more.
      p = star + 1;
      retryAt += 1;
      t = retryAt;
    } else return false;
  }
  while (wanted[p] === 'run') p += 1;
  return p === wanted.length;
};

/** The same pattern for SQL's `like … escape '\'`. */
export const likePattern = (pattern: string): string =>
  pattern
    .replaceAll(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
