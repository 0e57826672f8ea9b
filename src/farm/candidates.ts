/** Which bots could do a job, as far as properties go, and what each of them is at. */
import type { SessionFacts } from '../core/explain-facts.ts';
import { type Constraint, satisfies } from '../core/match.ts';
import { matchesPattern } from '../core/pattern.ts';
import { type DrainRow, readDrains } from '../store/drains.ts';
import { type LiveSession, readLiveSessions, readPropertySets } from '../store/explain.ts';
import type { Farm } from './farm.ts';
import { toProperties } from './sessions.ts';

/** Bots looked at, those nearest to being free first: enough to say truly whether one is free. */
const BOTS_MAX = 1000;

export const readCandidates = async (
  farm: Pick<Farm, 'pool'>,
  wanted: {
    readonly instance: string;
    readonly constraints: readonly Constraint[];
    /** Null: any; so for the next. */
    readonly requestedBotId: string | null;
    readonly deviceId: number | null;
  },
): Promise<SessionFacts[]> => {
  const { instance, constraints, requestedBotId: botId, deviceId } = wanted;
  const sets = await readPropertySets(farm.pool, instance);
  const propertySets = sets.filter((text) => satisfies(toProperties(text), constraints));
  if (propertySets.length === 0) return [];
  const drains = await readDrains(farm.pool, instance);
  const sessions = await readLiveSessions(farm.pool, { instance, propertySets, botId, deviceId, limit: BOTS_MAX });
  return sessions.map((session) => factsOf(session, drains));
};

const factsOf = (session: LiveSession, drains: readonly DrainRow[]): SessionFacts => {
  const { botId, status, isHeard, capacity, openLeases, quarantineReason } = session;
  const drainNote = drainOver(drains, botId)?.note ?? null;
  return { botId, status, isHeard, capacity, openLeases, quarantineReason, drainNote, dutBlock: dutBlockOf(session) };
};

/** The oldest drain that covers the bot; null: none does. */
export const drainOver = (drains: readonly DrainRow[], botId: string): DrainRow | null =>
  drains.find((drain) => matchesPattern(drain.pattern, botId)) ?? null;

const dutBlockOf = ({ dutId, dutHeldReason, dutSettlingReason, dutLeased }: LiveSession): string | null => {
  if (dutId === null) return null;
  if (dutHeldReason !== null) return `its DUT ${dutId} is held: ${dutHeldReason}`;
  if (dutLeased) return `its DUT ${dutId} is in use`;
  return dutSettlingReason === null ? null : `its DUT ${dutId} settles after an unclean end: ${dutSettlingReason}`;
};
