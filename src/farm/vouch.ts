/** What a home answers from memory, the database must have heard of lately: asked wherever a bot is answered without SQL. */
import { type HomeWord, homeWord, isCutOff, wordSince } from '../core/home-word.ts';
import { Refusal } from '../core/refusal.ts';
import type { Change, Home } from './home.ts';
import { inTurn, type Session } from './sessions.ts';

/**
 * What has to be written before the session's bot may be answered; null: nothing, memory will do.
 * @throws Refusal CUT_OFF: nothing was to be written, and the database cannot be asked.
 */
export const vouch = (home: Home, session: Session, change: Change | null): Change | null => {
  if (change !== null) return renewing(home, session, change);
  switch (wordOf(home, session)) {
    case 'good':
      return null;
    case 'old':
      return { renews: true };
    case 'cut off':
      throw cutOff(home);
  }
};

/**
 * What is written anyway: the database hears of the bot by it, when it has not lately. Of an idle one too: it may be given work by
 * this very write.
 */
export const renewing = (home: Home, session: Session, change: Change): Change =>
  judged(home, session.writtenMs) === 'good' ? change : { ...change, renews: true };

/**
 * A poll was held meanwhile, and is answered from memory no more than another. In its turn, for work may be on its way to
 * it: once that is committed the database has just answered, so that nobody is turned away who was given something.
 * @throws Refusal CUT_OFF: nothing was given to it, and the database cannot be asked.
 */
export const vouchAfterHold = async (home: Home, session: Session): Promise<void> => {
  if (!isDoubtful(home, session)) return;
  await inTurn(session, async () => {
    if (!isDoubtful(home, session)) return;
    const change = vouch(home, session, null);
    if (change !== null) await home.write(session, change);
  });
};

/** One that went to another home, or to a newer session, is answered all the same (R-POLL-7). */
const isDoubtful = (home: Home, session: Session): boolean => !session.gone && wordOf(home, session) !== 'good';

const wordOf = (home: Home, session: Session): HomeWord => {
  const times = { nowMs: home.clock.monotonicMs(), beatMs: home.beatMs, ttlMs: home.limits.session.ttlMs };
  return judged(home, wordSince(session, times));
};

const judged = ({ clock, limits, silentSinceMs }: Home, writtenMs: number): HomeWord =>
  homeWord({ nowMs: clock.monotonicMs(), writtenMs, silentSinceMs }, limits.replica.silentMaxMs);

/** The database has answered: a heartbeat, or a session's write. */
export const answered = (home: Home): void => {
  home.answeredMs = home.clock.monotonicMs();
  home.silentSinceMs = null;
};

/** A heartbeat did not reach it. */
export const unanswered = (home: Home): void => {
  home.silentSinceMs = home.answeredMs;
};

/** Null: the database answers, or has not been silent for long. */
export const silenceOf = (home: Pick<Home, 'clock' | 'limits' | 'silentSinceMs'>): string | null => {
  const { silentSinceMs } = home;
  const nowMs = home.clock.monotonicMs();
  if (silentSinceMs === null || !isCutOff({ nowMs, silentSinceMs }, home.limits.replica.silentMaxMs)) return null;
  const seconds = Math.round((nowMs - silentSinceMs) / 1000);
  return `this replica has not reached the database for ${String(seconds)} s`;
};

const cutOff = (home: Home): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'CUT_OFF',
    `The bot is not answered: ${silenceOf(home) ?? 'this replica does not reach the database'}, and the others may take ` +
      'the bot for lost. Nothing was changed. Send the request to another replica, or again in a moment.',
  );
