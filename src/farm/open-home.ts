/** Makes this replica a home of sessions, and lets it hear what others have to say. */
import { readDrains } from '../store/drains.ts';
import { readRequirements } from '../store/jobs.ts';
import type { Queryable } from '../store/transaction.ts';
import { createEnqueues } from './enqueue-job.ts';
import type { Farm, Wake } from './farm.ts';
import { createFeeder } from './feed.ts';
import { grantAtOnce } from './grant-at-once.ts';
import type { Home } from './home.ts';
import { createLooks } from './looks.ts';
import { heatBot, heatDevice, heatRequirement, type Matching, newMatching, serves } from './matching.ts';
import { openBatches } from './open-batches.ts';
import { refreshSession } from './refresh-session.ts';
import type { Knows } from './session-write.ts';
import { botKey, newSessionTable } from './sessions.ts';
import { writeSession } from './write-session.ts';

export const openHome = (farm: Farm): Home => {
  const sessions = newSessionTable();
  const matching = newMatching();
  const knows: Knows = {
    learn: (db, ids) => learn(matching, db, ids),
    serves: (write, id) => serves(matching, write, id),
  };
  const looks = createLooks();
  const batches = openBatches(farm, knows, looks);
  const home: Home = {
    ...farm,
    enqueues: createEnqueues(farm, () => grantAtOnce(home, knows, looks)),
    sessions,
    matching,
    write: (session, change) => writeSession(home, batches.write, session, change),
    report: batches.report,
    take: batches.take,
    begin: batches.begin,
    feed: () => {
      feeder();
    },
    settled: batches.settled,
    stopping: false,
    answeredMs: farm.clock.monotonicMs(),
    beatMs: farm.clock.monotonicMs(),
    silentSinceMs: null,
  };
  const feeder = createFeeder(home);
  farm.onWake((wake) => {
    hear(home, wake);
  });
  return home;
};

/** A wake becomes a hint; whoever is hungry is fed. */
const hear = (home: Home, wake: Wake): void => {
  const { matching, sessions } = home;
  switch (wake.kind) {
    case 'requirement':
      // Hot at once, for whoever calls now; parked polls are fed when it is known whom it is for.
      heatRequirement(matching, wake.id, wake.jobs);
      learn(matching, home.pool, [wake.id]).then(
        () => {
          home.feed();
        },
        (error: unknown) => {
          home.log.warn({ error: String(error) }, 'what new work wants could not be read; the tick will try again');
        },
      );
      return;
    case 'device':
      for (const session of sessions.byDevice.get(wake.id) ?? []) {
        session.barredUntilMs = 0;
        if (session.name === wake.seenBy) continue;
        // The session may look for anything now, not only for what is pinned to the DUT.
        heatDevice(matching, wake.id);
      }
      break;
    case 'bot':
      if (sessions.byBot.has(botKey(wake.instance, wake.botId))) heatBot(matching, wake.instance, wake.botId);
      break;
    case 'session':
      own(home, refreshSession(home, wake.name));
      return;
    case 'drains':
      own(home, refreshDrains(home));
      return;
    case 'job':
    case 'lanes':
    case 'tokens':
    case 'lead':
    case 'call':
      return;
  }
  home.feed();
};

/** A look that fails is made again by the tick. */
const own = (home: Home, looking: Promise<void>): void => {
  looking.catch((error: unknown) => {
    home.log.warn({ err: error }, 'a change could not be looked at; the tick will');
  });
};

/** Drains have changed: the whole list, which is short, is read again. */
const refreshDrains = async (home: Home): Promise<void> => {
  home.matching.drains = await readDrains(home.pool, null);
  home.feed();
};

/** Reads requirement sets on first sight; they never change. */
const learn = async (matching: Matching, db: Queryable, ids: readonly number[]): Promise<void> => {
  const unknown = ids.filter((id) => !matching.requirements.has(id));
  if (unknown.length === 0) return;
  for (const { id, instance, constraints } of await readRequirements(db, unknown)) {
    matching.requirements.set(id, { instance, constraints });
  }
};
