/**
 * The one clock and the one scheduler of a simulated world. Whatever happens is a timer; the next one fires only when
 * everything that the last one set off has come to rest, and an SQL statement that it runs has been answered.
 */
export type Timer = { readonly cancel: () => void };

export type VirtualTime = {
  /** Milliseconds since the world began. */
  readonly nowMs: () => number;
  /** @param fire may return a promise of real work (a statement); time stands still until it is done. */
  readonly after: (ms: number, fire: () => Promise<void> | void) => Timer;
  /** Runs the world until then, or until `isOver` says so between two timers. */
  readonly runUntil: (ms: number, isOver?: () => boolean) => Promise<void>;
};

type Entry = { readonly dueUs: number; readonly order: number; fire: (() => Promise<void> | void) | null };

export const createVirtualTime = (): VirtualTime => {
  const queue = createHeap();
  // Whole microseconds: who sleeps for the rest of a float would never get there.
  let nowUs = 0;
  let order = 0;
  return {
    nowMs: () => nowUs / 1_000,
    after: (ms, fire) => {
      const entry: Entry = { dueUs: nowUs + Math.max(0, Math.ceil(ms * 1_000)), order: (order += 1), fire };
      queue.push(entry);
      return {
        cancel: () => {
          entry.fire = null;
        },
      };
    },
    runUntil: async (ms, isOver = () => false) => {
      const untilUs = Math.round(ms * 1_000);
      await rest();
      while (!isOver()) {
        const next = queue.peek();
        if (next === undefined || next.dueUs > untilUs) break;
        queue.pop();
        if (next.fire === null) continue;
        nowUs = next.dueUs;
        const working = next.fire();
        if (working !== undefined) await working;
        await rest();
      }
      if (!isOver()) nowUs = Math.max(nowUs, untilUs);
    },
  };
};

/** Microtasks and ticks run out before an immediate runs; nothing in the world waits for anything real but statements. */
const rest = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** A binary heap by due time, then by order of asking. */
const createHeap = () => {
  const heap: Entry[] = [];
  const isBefore = (a: Entry, b: Entry): boolean => a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order);
  const swap = (i: number, j: number): void => {
    [heap[i], heap[j]] = [heap[j]!, heap[i]!];
  };
  return {
    peek: (): Entry | undefined => heap[0],
    push: (entry: Entry): void => {
      heap.push(entry);
      for (let i = heap.length - 1; i > 0;) {
        const parent = (i - 1) >> 1;
        if (!isBefore(heap[i]!, heap[parent]!)) break;
        swap(i, parent);
        i = parent;
      }
    },
    pop: (): void => {
      const last = heap.pop();
      if (last === undefined || heap.length === 0) return;
      heap[0] = last;
      for (let i = 0; ;) {
        const [left, right] = [2 * i + 1, 2 * i + 2];
        let least = i;
        if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
        if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
        if (least === i) break;
        swap(i, least);
        i = least;
      }
    },
  };
};
