/**
 * A matching bot, busy or not, stops the clock of a reservation's match timeout (reservations.proto match_timeout). Run
 * before the sweep of jobs: a reservation is ended when none was there for its timeout, and at most a quarter later.
 */
import { extendMatchDeadlines, findAwaitingMatch } from '../store/match-deadlines.ts';
import { readCandidates } from './candidates.ts';
import type { Farm } from './farm.ts';

/** Reservations of one statement. */
const ROUND_MAX = 200;

/** Goes through all of them: the sweep ends whichever was left out. */
export const extendMatches = async (farm: Pick<Farm, 'pool'>): Promise<void> => {
  /** Wishes are often the same: each is looked up once. */
  const isMatched = new Map<string, boolean>();
  for (let afterJobId: number | null = 0; afterJobId !== null;) {
    const awaiting = await findAwaitingMatch(farm.pool, { afterJobId, limit: ROUND_MAX });
    const matched: number[] = [];
    for (const { id, ...wanted } of awaiting) {
      const key = JSON.stringify(wanted);
      const known = isMatched.get(key) ?? (await readCandidates(farm, wanted)).some(({ isHeard }) => isHeard);
      isMatched.set(key, known);
      if (known) matched.push(id);
    }
    await extendMatchDeadlines(farm.pool, matched);
    afterJobId = awaiting.length < ROUND_MAX ? null : (awaiting.at(-1)?.id ?? null);
  }
};
