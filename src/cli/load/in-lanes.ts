/** Does something for each, so many at a time. @throws the first error, once all that had begun have ended; no more begin then. */
export const inLanes = async <T>(
  all: readonly T[],
  lanes: number,
  each: (one: T, index: number) => Promise<void>,
): Promise<void> => {
  const waiting = all.entries();
  const failed = new AbortController();
  const lane = async (): Promise<void> => {
    for (const [index, one] of waiting) {
      if (failed.signal.aborted) return;
      await each(one, index).catch((error: unknown) => {
        failed.abort();
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
};
