/** The replica's heartbeat: one statement when nothing is due, whatever the number of bots (DESIGN §5). */
import { foldTallies } from '../store/tallies.ts';
import { forgetOld } from '../store/sweeps.ts';
import { tick as ask, type TickAnswer } from '../store/tick.ts';
import { extendMatches } from './extend-matches.ts';
import type { Home } from './home.ts';
import { lapseGates } from './lapse-gates.ts';
import { botKey, type Session } from './sessions.ts';
import { heatBot, heatDevice, heatRequirement } from './matching.ts';
import { openGatesAfter } from './open-gates.ts';
import { refreshSession } from './refresh-session.ts';
import { readRequirements } from '../store/jobs.ts';
import { sweepJobs, sweepLeases, sweepSessions } from './sweep.ts';

/** What a tick leaves for the next one. */
export type TickMemory = {
  /** Monotonic ms of the last tick that the database answered; null: none yet. */
  lastMs: number | null;
};

/** @throws whatever the database throws; the caller's loop goes on. */
export const tickOnce = async (home: Home, memory: TickMemory): Promise<TickAnswer> => {
  const nowMs = home.clock.monotonicMs();
  const late = memory.lastMs === null || nowMs - memory.lastMs > home.limits.replica.amnestyAfterMs;
  const sessions = [...home.sessions.byName.values()];
  // This process was away, or the database was: calls may wait in the sockets, so nobody here was silent (invariant 9).
  if (late) for (const session of sessions) session.seenMs = nowMs;
  for (const session of sessions) if (session.parked !== null) session.seenMs = nowMs;
  const renew = sessions.filter((session) => late || session.seenMs > session.renewedMs);
  const answer = await ask(home.pool, {
    replica: home.replica,
    ttlMs: home.limits.session.ttlMs,
    amnestyAfterMs: home.limits.replica.amnestyAfterMs,
    renew: renew.map(({ name, attachEpoch, seenMs }) => ({ name, attachEpoch, ageMs: nowMs - seenMs })),
    home: sessions.map(({ name, attachEpoch }) => ({ name, attachEpoch })),
    deviceIds: [...home.sessions.byDevice.keys()],
  });
  memory.lastMs = nowMs;
  for (const session of renew) session.renewedMs = nowMs;
  await learn(home, answer);
  await settleDue(home, answer);
  return answer;
};

/** What others did, and what a lost wake left undone. */
const learn = async (home: Home, answer: TickAnswer): Promise<void> => {
  const { matching, sessions } = home;
  matching.drains = answer.drains;
  for (const name of answer.moved) {
    const session = sessions.byName.get(name);
    // One that was attached again while the statement ran has a new epoch and stays.
    if (session !== undefined && session.renewedMs <= home.clock.monotonicMs()) await refreshSession(home, name);
  }
  for (const name of answer.cancelling) if (knowsNoCancel(sessions.byName.get(name))) await refreshSession(home, name);
  const quarantined = new Map(answer.quarantined.map((bot) => [botKey(bot.instance, bot.botId), bot.reason]));
  for (const [key, session] of sessions.byBot) session.quarantineReason = quarantined.get(key) ?? null;
  const unknown = answer.hotRequirements.filter((id) => !matching.requirements.has(id));
  for (const { id, instance, constraints } of unknown.length === 0 ? [] : await readRequirements(home.pool, unknown)) {
    matching.requirements.set(id, { instance, constraints });
  }
  for (const id of answer.hotRequirements) if (!matching.hotRequirements.has(id)) heatRequirement(matching, id, 1);
  for (const id of answer.hotDevices) if (!matching.hotDevices.has(id)) heatDevice(matching, id);
  for (const { instance, botId } of answer.hotBots) {
    if (sessions.byBot.has(botKey(instance, botId))) heatBot(matching, instance, botId);
  }
  for (const key of matching.hotBots.keys()) if (!sessions.byBot.has(key)) matching.hotBots.delete(key);
  for (const id of matching.hotDevices.keys()) if (!sessions.byDevice.has(id)) matching.hotDevices.delete(id);
  for (const classKey of matching.served.keys()) if (!sessions.classes.has(classKey)) matching.served.delete(classKey);
  home.feed();
};

const knowsNoCancel = (session: Session | undefined): boolean =>
  session !== undefined && ![...session.leases.values()].some((lease) => lease.state === 'CANCELLING');

const settleDue = async (home: Home, { due, amnesty }: TickAnswer): Promise<void> => {
  if (due.sessions && !amnesty) await sweepSessions(home);
  if (due.leases) await sweepLeases(home);
  if (due.jobs) {
    // A matching bot, busy or not, stops the clock of a match timeout.
    await extendMatches(home);
    await sweepJobs(home);
  }
  if (due.gates) {
    await lapseGates(home);
    for (let after: number | null = 0; after !== null;) after = await openGatesAfter(home, after);
  }
  if (due.lanes) home.wake([{ kind: 'lanes' }]);
  if (due.leftovers) {
    await forgetOld(home.pool, {
      closedMs: home.limits.session.closedRememberedMs,
      enqueueMs: home.limits.jobs.enqueueRememberedMs,
    });
    await foldTallies(home.pool);
  }
};
