/** Which work waits though a bot waits for it, and which work no bot can run: looked at now and then, for gauges. */
import { takesWork } from '../core/bot-session.ts';
import { satisfies } from '../core/match.ts';
import { type QueueHead, readQueueHeads } from '../store/queue-heads.ts';
import type { TickAnswer } from '../store/tick.ts';
import { readCandidates } from './candidates.ts';
import type { Home } from './home.ts';
import { type Session, type SessionTable, roomOf } from './sessions.ts';

export type Waits = {
  /** By instance: how long a job and a bot at home here that could take it have both waited; those that wait the longest. */
  readonly idleMatches: readonly { readonly instance: string; readonly seconds: number }[];
  /** By station: how long its work has waited while no live bot of the farm could take it, busy or not. */
  readonly unserved: readonly { readonly instance: string; readonly station: string; readonly seconds: number }[];
};

/** Bots come and go; work that is younger than this has not been waiting for one. */
const UNSERVED_AFTER_SECONDS = 5;
/** Each asks for the bots of the farm that match. Those that have waited the longest come first. */
const UNSERVED_LOOKS_MAX = 20;

/** @param found queues that a tick has found something in. */
export const readWaits = async (
  home: Pick<Home, 'pool' | 'sessions' | 'clock'>,
  found: Pick<TickAnswer, 'hotRequirements' | 'hotDevices'>,
): Promise<Waits> => {
  const { hotRequirements: requirementIds, hotDevices: deviceIds } = found;
  const heads = await readQueueHeads(home.pool, { requirementIds, deviceIds });
  const nowMs = home.clock.monotonicMs();
  const idleMatches = heads.flatMap((head) => {
    const seconds = idleMatchOf(home.sessions, head, nowMs);
    return seconds === null ? [] : [{ instance: head.instance, seconds }];
  });
  return { idleMatches, unserved: await unservedOf(home, heads) };
};

/** Null: nobody at home here waits who could take it. */
const idleMatchOf = (table: SessionTable, head: QueueHead, nowMs: number): number | null => {
  const freeSince = matching(table, head).flatMap((session) =>
    session.parked !== null && session.freeSinceMs !== null && roomOf(session, nowMs) > 0 ? [session.freeSinceMs] : [],
  );
  if (freeSince.length === 0) return null;
  return Math.min(head.waitedSeconds, (nowMs - freeSince.reduce((a, b) => Math.min(a, b))) / 1000);
};

/** Sessions at home here for which the job is, whatever they do now. Of a job that is pinned to a DUT: those that declare it. */
const matching = (table: SessionTable, head: QueueHead): readonly Session[] => {
  const { instance, constraints, deviceId, avoidedBots } = head;
  const fits = (bots: Pick<Session, 'instance' | 'properties'>): boolean =>
    bots.instance === instance && satisfies(bots.properties, constraints);
  const sessions =
    deviceId === null
      ? [...table.classes.values()].filter(fits).flatMap((known) => [...known.sessions])
      : [...(table.byDevice.get(deviceId) ?? [])].filter(fits);
  return avoidedBots.length === 0 ? sessions : sessions.filter(({ botId }) => !avoidedBots.includes(botId));
};

const unservedOf = async (
  home: Pick<Home, 'pool' | 'sessions'>,
  heads: readonly QueueHead[],
): Promise<Waits['unserved']> => {
  const waiting = heads
    .filter(({ waitedSeconds }) => waitedSeconds >= UNSERVED_AFTER_SECONDS)
    .filter((head) => !matching(home.sessions, head).some(isAble))
    .toSorted((a, b) => b.waitedSeconds - a.waitedSeconds)
    .slice(0, UNSERVED_LOOKS_MAX);
  const unserved: { instance: string; station: string; seconds: number }[] = [];
  for (const { instance, station, constraints, deviceId, waitedSeconds: seconds } of waiting) {
    const bots = await readCandidates(home, { instance, constraints, requestedBotId: null, deviceId });
    const able = bots.some(
      ({ isHeard, status, quarantineReason, drainNote }) =>
        isHeard && takesWork(status) && quarantineReason === null && drainNote === null,
    );
    if (!able) unserved.push({ instance, station, seconds });
  }
  return unserved;
};

const isAble = ({ declared, quarantineReason }: Session): boolean =>
  takesWork(declared.status) && quarantineReason === null;
