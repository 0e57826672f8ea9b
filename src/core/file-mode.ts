/** Who else may read a file with a secret in it. */

/**
 * Root's own file may be read by our group, as orchestrators mount secrets for an unprivileged process.
 * @param ownUid of this process; null where the system has none.
 */
export const isOpenToOthers = (
  { mode, uid }: { readonly mode: number; readonly uid: number },
  ownUid: number | null,
): boolean => (mode & (uid === 0 && ownUid !== 0 ? 0o027 : 0o077)) !== 0;

/** As `chmod` takes it: `0640`. */
export const modeText = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0');
