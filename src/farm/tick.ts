/** The replica's heartbeat: one statement when nothing is due, whatever the number of bots (ARCHITECTURE, How it is fast). */
import { sessionsToRenew } from '../core/home-word.ts';
import { foldTallies } from '../store/tallies.ts';
import { forgetOld } from '../store/sweeps.ts';
import { isOutage } from '../store/outage.ts';
import { tick as ask, type TickAnswer } from '../store/tick.ts';
import { extendMatches } from './extend-matches.ts';
import { transact } from './farm.ts';
import type { Home } from './home.ts';
import { noteParked } from './free-since.ts';
import { lapseGates } from './lapse-gates.ts';
import { noticeRestore, RESTORE_WORDS } from './notice-restore.ts';
import { forget, heatBot, heatDevice, heatRequirement } from './matching.ts';
import { openGatesAfter } from './open-gates.ts';
import { refreshSession } from './refresh-session.ts';
import { botKey, dropSession, type SessionTable } from './sessions.ts';
import { readRequirements } from '../store/jobs.ts';
import { sweepJobs, sweepLeases, sweepSessions } from './sweep.ts';
import { sweepExternal } from './sweep-external.ts';
import { answered, unanswered } from './vouch.ts';

/** What a tick leaves for the next one. */
export type TickMemory = {
  /** Monotonic ms of the last tick that the database answered; null: none yet. */
  lastMs: number | null;
};

/** A heartbeat that was answered, and what of it is still to be done. */
export type Beat = { readonly answer: TickAnswer; readonly follow: () => Promise<void> };

/** The heartbeat, and all that follows from it. @throws whatever the database throws; the caller's loop goes on. */
export const tickOnce = async (home: Home, memory: TickMemory): Promise<TickAnswer> => {
  const { answer, follow } = await beat(home, memory);
  await follow();
  return answer;
};

/** The heartbeat alone: no sweep may hold up the next one. @throws whatever the database throws. */
export const beat = async (home: Home, memory: TickMemory): Promise<Beat> => {
  const nowMs = home.clock.monotonicMs();
  const { tickMs, silentMaxMs, amnestyAfterMs } = home.limits.replica;
  const { ttlMs } = home.limits.session;
  const late = memory.lastMs === null || nowMs - memory.lastMs > amnestyAfterMs;
  const sessions = [...home.sessions.byName.values()];
  // This process was away, or the database was: calls may wait in the sockets, so nobody here was silent (invariant 9).
  if (late) for (const session of sessions) session.seenMs = nowMs;
  for (const session of sessions) if (session.parked !== null) session.seenMs = nowMs;
  const renew = late ? sessions : sessionsToRenew(sessions, { nowMs, tickMs, silentMaxMs, ttlMs });
  const heard = new Map(renew.map((session) => [session, session.seenMs]));
  const lookedAt = home.matching.version;
  const answer = await ask(home.pool, {
    replica: home.replica,
    ttlMs,
    amnestyAfterMs,
    renew: renew.map(({ name, attachEpoch, seenMs }) => ({ name, attachEpoch, ageMs: nowMs - seenMs })),
    home: sessions.map(({ name, attachEpoch }) => ({ name, attachEpoch })),
    held: sessions.flatMap(({ name, leases }) =>
      [...leases.values()].map(({ id, state }) => ({ name, leaseId: id, state })),
    ),
    deviceIds: [...home.sessions.byDevice.keys()],
  }).catch((error: unknown) => {
    // A statement that took too long is that statement's own trouble: the database was reached.
    if (isOutage(error)) unanswered(home);
    else answered(home);
    throw error;
  });
  memory.lastMs = nowMs;
  answered(home);
  if (answer.restored) await notice(home);
  const busy = new Set(answer.busy);
  for (const [session, seenMs] of heard) {
    if (!busy.has(session.name)) session.writtenMs = Math.max(session.writtenMs, seenMs);
  }
  const epochs = new Map(sessions.map(({ name, attachEpoch }) => [name, attachEpoch]));
  for (const name of answer.moved) {
    const session = home.sessions.byName.get(name);
    // One that was attached again while the statement ran has a new epoch and stays.
    if (session !== undefined && session.attachEpoch === epochs.get(name))
      dropSession(home.sessions, session, 'changed');
  }
  // What has moved away is gone from here: on the rest this heartbeat is word enough.
  home.beatMs = nowMs;
  const follow = async (): Promise<void> => {
    await learn(home, answer);
    forget(home.matching, home.sessions, { lookedAt, hotRequirements: answer.hotRequirements });
    home.feed();
    await settleDue(home, answer);
  };
  return { answer, follow };
};

/** Before anything is done by what the statement saw: numbers of jobs are given away meanwhile. */
const notice = async (home: Home): Promise<void> => {
  const restore = await transact(home, (db) => noticeRestore(db));
  if (restore !== null) home.log.warn({ restore: restore.number, cause: restore.cause }, RESTORE_WORDS);
};

/** What others did, and what a lost wake left undone. */
const learn = async (home: Home, answer: TickAnswer): Promise<void> => {
  const { matching, sessions } = home;
  matching.drains = answer.drains;
  const nowMs = home.clock.monotonicMs();
  for (const session of sessions.byName.values()) if (session.parked !== null) noteParked(matching, session, nowMs);
  const quarantined = new Map(answer.quarantined.map((bot) => [botKey(bot.instance, bot.botId), bot.reason]));
  const wrong = new Set([
    ...answer.changed.filter((held) => isStillHeld(sessions, held)).map(({ name }) => name),
    // What the statement saw may be older than what is remembered, so that the row itself is asked.
    ...[...sessions.byBot]
      .filter(([key, { quarantineReason }]) => quarantineReason !== (quarantined.get(key) ?? null))
      .map(([, { name }]) => name),
  ]);
  for (const name of wrong) await refreshSession(home, name);
  const unknown = answer.hotRequirements.filter((id) => !matching.requirements.has(id));
  for (const { id, instance, constraints } of unknown.length === 0 ? [] : await readRequirements(home.pool, unknown)) {
    matching.requirements.set(id, { instance, constraints });
  }
  // What is hot already is looked at again, by those too that passed it by: they may have missed what was added since.
  for (const id of answer.hotRequirements) heatRequirement(matching, id, matching.hotRequirements.has(id) ? 0 : 1);
  for (const id of answer.hotDevices) if (!matching.hotDevices.has(id)) heatDevice(matching, id);
  for (const { instance, botId } of answer.hotBots) {
    if (sessions.byBot.has(botKey(instance, botId))) heatBot(matching, instance, botId);
  }
};

/** Unless it was written since. */
const isStillHeld = (sessions: SessionTable, { name, leaseId, state }: TickAnswer['changed'][number]): boolean =>
  sessions.byName.get(name)?.leases.get(leaseId)?.state === state;

/** Each part by itself: what cannot be done in one of them must not keep the others from being done. */
const settleDue = async (home: Home, { due, amnesty }: TickAnswer): Promise<void> => {
  if (due.sessions && !amnesty) await owned(home, sweepSessions(home));
  if (due.leases) {
    await owned(home, sweepLeases(home));
    await owned(home, sweepExternal(home));
  }
  // A matching bot, busy or not, stops the clock of a match timeout.
  if (due.jobs)
    await owned(
      home,
      extendMatches(home).then(() => sweepJobs(home)),
    );
  if (due.gates) await owned(home, settleGates(home));
  if (due.lanes) home.wake([{ kind: 'lanes' }]);
  if (due.leftovers) await owned(home, clearUp(home));
};

const owned = (home: Home, part: Promise<void>): Promise<void> =>
  part.catch((error: unknown) => {
    home.log.warn({ err: error }, 'what has run out could not be ended; the next tick tries again');
  });

const settleGates = async (home: Home): Promise<void> => {
  await lapseGates(home);
  for (let after: number | null = 0; after !== null;) after = await openGatesAfter(home, after);
};

const clearUp = async (home: Home): Promise<void> => {
  await forgetOld(home.pool, {
    closedMs: home.limits.session.closedRememberedMs,
    enqueueMs: home.limits.jobs.enqueueRememberedMs,
  });
  await foldTallies(home.pool);
};
