/** Gives hot work to parked polls: as few looks as there is work, one round at a time. */
import type { Home } from './home.ts';
import { hungryFor, searchOf } from './matching.ts';
import { inTurn, type Session } from './sessions.ts';
import { renewing } from './vouch.ts';

/** One feeding at a time; what is heard meanwhile starts the next round. */
export const createFeeder = (home: Home): (() => void) => {
  let feeding = false;
  let again = false;
  const isCalledAgain = (): boolean => again && !home.stopping;
  const round = async (): Promise<void> => {
    const hungry = hungryFor(home.matching, home.sessions, home.clock.monotonicMs());
    await Promise.all(hungry.map((session) => inTurn(session, () => serve(home, session))));
    if (hungry.length > 0) again = true;
  };
  const run = async (): Promise<void> => {
    feeding = true;
    do {
      again = false;
      await round();
    } while (isCalledAgain());
    feeding = false;
  };
  return () => {
    if (home.stopping) return;
    again = true;
    if (feeding) return;
    run().catch((error: unknown) => {
      feeding = false;
      // The hints stay hot: the next wake, the next poll or the tick tries again.
      home.log.warn({ error: String(error) }, 'work could not be given to parked bots; it will be tried again');
    });
  };
};

/** Looks for work for a parked session, and ends its poll if some was found. */
const serve = async (home: Home, session: Session): Promise<void> => {
  const { parked } = session;
  const search = searchOf(home.matching, session, home.clock.monotonicMs());
  if (parked === null || search === null || session.gone) return;
  // What is granted now, the bot is told now: not with a word that is old.
  const written = await home.write(session, renewing(home, session, { search }));
  if (written.kind === 'written' && written.held.length > 0) parked.end('work');
};
