/** How many calls a server answers when so many are always under way. */
/**
 * Keeps every caller busy for a while.
 * @param callers each makes a call, or several after each other, and says how many; it rejects for a failed one.
 * @returns calls a second. What had not ended in time does not count.
 */
export const saturate = async (given: {
  readonly callers: readonly (() => Promise<number>)[];
  readonly forMs: number;
}): Promise<number> => {
  const startedMs = performance.now();
  const endMs = startedMs + given.forMs;
  let calls = 0;
  let lastMs = startedMs;
  await Promise.all(
    given.callers.map(async (call) => {
      while (performance.now() < endMs) {
        const made = await call();
        const nowMs = performance.now();
        if (nowMs > endMs) return;
        calls += made;
        lastMs = nowMs;
      }
    }),
  );
  return (calls * 1000) / (lastMs - startedMs);
};
