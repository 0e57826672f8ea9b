/** What became of every job of a run: what we were told, held against the farm's own books. */

/** A job as the farm's books have it at the end. */
export type Booked = {
  readonly id: number;
  readonly state: 'open' | 'finished' | 'failed' | 'cancelled';
  /** Attempts that became ACTIVE. */
  readonly attempts: number;
};

export type Verdict = {
  /** Enqueues that the farm acknowledged. */
  readonly enqueued: number;
  /** Acknowledged jobs by how they ended, in the farm's books. */
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Neither: still queued, or in a bot's hands. */
  readonly unfinished: number;
  /** Acknowledged, and unknown to the farm; or a completion acknowledged, and the farm knows of none. */
  readonly lost: number;
  /** Acknowledged twice under two ids or one id for two jobs, or completed more often than it was attempted. */
  readonly duplicates: number;
  /** Attempted more than once: its bot was lost, or let it go. No fault, but time. */
  readonly repeated: number;
  /** In the books though no answer said so: an enqueue whose answer was lost. */
  readonly unanswered: number;
};

export type Account = {
  /** The farm answered the enqueue of this job with this id. */
  readonly enqueued: (number: number, id: number) => void;
  /** The farm acknowledged a completion of this job. */
  readonly completed: (number: number) => void;
  /** Jobs acknowledged and not completed yet. */
  readonly outstanding: () => number;
  readonly completions: () => number;
  readonly acknowledged: () => number;
  /** What the farm's books should say, by what we were told; to judge by when they cannot be read. */
  readonly told: () => readonly Booked[];
  readonly judge: (books: readonly Booked[]) => Verdict;
};

/** @param jobs of the whole run; they are numbered from 0. */
export const createAccount = (jobs: number): Account => {
  /** NaN: not acknowledged. */
  const ids = new Float64Array(jobs).fill(NaN);
  const completions = new Uint16Array(jobs);
  const twice = new Set<number>();
  let [acknowledged, completed, both] = [0, 0, 0];
  const idOf = (number: number): number => ids[number] ?? NaN;
  const completionsOf = (number: number): number => completions[number] ?? 0;
  return {
    enqueued: (number, id) => {
      if (Number.isNaN(idOf(number))) {
        ids[number] = id;
        acknowledged += 1;
        if (completionsOf(number) > 0) both += 1;
      } else if (idOf(number) !== id) twice.add(number);
    },
    completed: (number) => {
      completions[number] = completionsOf(number) + 1;
      completed += 1;
      if (completionsOf(number) === 1 && !Number.isNaN(idOf(number))) both += 1;
    },
    outstanding: () => acknowledged - both,
    completions: () => completed,
    acknowledged: () => acknowledged,
    told: () =>
      [...ids].flatMap((id, number): readonly Booked[] => {
        const attempts = completionsOf(number);
        return Number.isNaN(id) ? [] : [{ id, state: attempts > 0 ? 'finished' : 'open', attempts }];
      }),
    judge: (books) => judge({ ids, completionsOf, twice }, books),
  };
};

type Kept = {
  readonly ids: Float64Array;
  readonly completionsOf: (number: number) => number;
  readonly twice: ReadonlySet<number>;
};

const judge = ({ ids, completionsOf, twice }: Kept, books: readonly Booked[]): Verdict => {
  const byId = new Map(books.map((booked) => [booked.id, booked]));
  const seen = new Set<number>();
  const verdict = { enqueued: 0, finished: 0, failed: 0, cancelled: 0, unfinished: 0, lost: 0, duplicates: twice.size };
  let repeated = 0;
  ids.forEach((id, number) => {
    if (Number.isNaN(id)) return;
    verdict.enqueued += 1;
    const booked = byId.get(id);
    const { state, attempts } = booked ?? { state: 'open', attempts: 0 };
    const completed = completionsOf(number);
    if (seen.has(id) || completed > Math.max(1, attempts)) verdict.duplicates += 1;
    seen.add(id);
    if (attempts > 1) repeated += 1;
    if (booked === undefined || (completed > 0 && state === 'open')) verdict.lost += 1;
    else if (state === 'open') verdict.unfinished += 1;
    else verdict[state] += 1;
  });
  return { ...verdict, repeated, unanswered: books.filter(({ id }) => !seen.has(id)).length };
};
