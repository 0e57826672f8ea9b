/** What a home answers from memory, the database must have heard of lately: asked wherever a bot is answered without SQL. */
import { homeWord, isCutOff } from '../core/home-word.ts';
import { Refusal } from '../core/refusal.ts';
import type { Change, Home } from './home.ts';
import type { Session } from './sessions.ts';

/**
 * What has to be written before the session's bot may be answered; null: nothing, memory will do.
 * @throws Refusal CUT_OFF: nothing was to be written, and the database cannot be asked.
 */
export const vouch = (home: Home, session: Session, change: Change | null): Change | null => {
  const { writtenMs } = session;
  const hearing = { nowMs: home.clock.monotonicMs(), writtenMs, silentSinceMs: home.silentSinceMs };
  const word = homeWord(hearing, home.limits.replica.silentMaxMs);
  if (word === 'good') return change;
  if (change === null && word === 'cut off') throw cutOff(home);
  return { ...change, renews: true };
};

/** Null: the database answers, or has not been silent for long. */
export const silenceOf = (home: Pick<Home, 'clock' | 'limits' | 'silentSinceMs'>): string | null => {
  const { silentSinceMs } = home;
  const nowMs = home.clock.monotonicMs();
  if (silentSinceMs === null || !isCutOff({ nowMs, silentSinceMs }, home.limits.replica.silentMaxMs)) return null;
  const seconds = Math.round((nowMs - silentSinceMs) / 1000);
  return `this replica has not reached the database for ${String(seconds)} s`;
};

/** Once its database has been silent for too long, a parked poll is not answered from memory either. */
export const vouchAfterHold = (home: Home, session: Session): void => {
  // One that went to another home, or to a newer session, is answered all the same (R-POLL-7).
  if (!session.gone && silenceOf(home) !== null) throw cutOff(home);
};

const cutOff = (home: Home): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'CUT_OFF',
    `The bot is not answered: ${silenceOf(home) ?? 'this replica does not reach the database'}, and the others may take ` +
      'the bot for lost. Nothing was changed. Send the request to another replica, or again in a moment.',
  );
