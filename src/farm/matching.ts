/**
 * Where there may be work, and who here could take it: in memory, so that a poll asks no database. Every entry is a
 * hint. A hint too many costs one empty look; a hint too few is repaired by the tick (ARCHITECTURE, Many replicas).
 */
import { type Constraint, type Properties, satisfies } from '../core/match.ts';
import { matchesPattern } from '../core/pattern.ts';
import type { Wake } from './farm.ts';
import { botKey, roomOf, type Session, type SessionTable } from './sessions.ts';

/** A requirement set as interned in the database. */
export type Requirement = { readonly instance: string; readonly constraints: readonly Constraint[] };

/**
 * A hint with its version, so that an empty look clears only what it looked at. `passed`: sessions, by name, that have
 * looked since and may take nothing of it, so that it is left hot for the others.
 */
type Hint = { version: number; jobs: number; readonly passed: Set<string> };

export type Matching = {
  readonly requirements: Map<number, Requirement>;
  /** For each class of bots: which requirement sets it serves. Decided once a pair. */
  readonly served: Map<string, Map<number, boolean>>;
  readonly hotRequirements: Map<number, Hint>;
  readonly hotDevices: Map<number, Hint>;
  readonly hotBots: Map<string, Hint>;
  /** Drains in force, farm-wide. */
  drains: readonly { readonly instance: string; readonly pattern: string; readonly note: string }[];
  version: number;
};

export const newMatching = (): Matching => ({
  requirements: new Map(),
  served: new Map(),
  hotRequirements: new Map(),
  hotDevices: new Map(),
  hotBots: new Map(),
  drains: [],
  version: 0,
});

const heat = <K>(matching: Matching, hints: Map<K, Hint>, key: K, jobs: number): void => {
  matching.version += 1;
  const known = hints.get(key);
  if (known === undefined) hints.set(key, { version: matching.version, jobs, passed: new Set() });
  else {
    known.version = matching.version;
    known.jobs += jobs;
    known.passed.clear();
  }
};

export const heatRequirement = (matching: Matching, id: number, jobs: number): void => {
  heat(matching, matching.hotRequirements, id, jobs);
};
export const heatDevice = (matching: Matching, id: number): void => {
  heat(matching, matching.hotDevices, id, 1);
};
export const heatBot = (matching: Matching, instance: string, botId: string): void => {
  heat(matching, matching.hotBots, botKey(instance, botId), 1);
};

/** The hint that a wake is; none: it is not one of work that waits. */
export const heatBy = (matching: Matching, wake: Wake): void => {
  if (wake.kind === 'requirement') heatRequirement(matching, wake.id, wake.jobs);
  else if (wake.kind === 'device') heatDevice(matching, wake.id);
  else if (wake.kind === 'bot') heatBot(matching, wake.instance, wake.botId);
};

/** A session that was not here before: what may wait for its bot or its DUTs alone is not known, so it looks once. */
export const heatArrival = (matching: Matching, session: Session): void => {
  heatBot(matching, session.instance, session.botId);
  for (const id of session.declared.deviceIds) heatDevice(matching, id);
};

/** After a look at this version found nothing: the hint goes, unless something was said since. */
export const cool = <K>(hints: Map<K, Hint>, key: K, lookedAt: number): void => {
  const known = hints.get(key);
  if (known !== undefined && known.version <= lookedAt) hints.delete(key);
};

/** After a look at this version found work, but none that the session may have: it leaves the hint to the others. */
export const pass = <K>(hints: Map<K, Hint>, key: K, look: { readonly at: number; readonly session: string }): void => {
  const known = hints.get(key);
  if (known !== undefined && known.version <= look.at) known.passed.add(look.session);
};

export const serves = (
  matching: Matching,
  bot: { readonly instance: string; readonly properties: Properties; readonly classKey: string },
  requirementId: number,
): boolean => {
  let decided = matching.served.get(bot.classKey);
  if (decided === undefined) {
    decided = new Map();
    matching.served.set(bot.classKey, decided);
  }
  const known = decided.get(requirementId);
  if (known !== undefined) return known;
  const requirement = matching.requirements.get(requirementId);
  if (requirement === undefined) return false;
  const verdict = requirement.instance === bot.instance && satisfies(bot.properties, requirement.constraints);
  decided.set(requirementId, verdict);
  return verdict;
};

/** For hints: one that is not known yet is looked for by anybody, and is learnt by the look. */
const mayServe = (
  matching: Matching,
  bot: { readonly instance: string; readonly properties: Properties; readonly classKey: string },
  requirementId: number,
): boolean => !matching.requirements.has(requirementId) || serves(matching, bot, requirementId);

/** Requirement sets known at most; beyond that they are learnt afresh as they come up. */
const KNOWN_MAX = 10_000;

/**
 * Hints that nothing stands behind go, and so do the decisions on classes of bots that have left.
 * @param lookedAt the version before the look that found `hotRequirements`, all there are.
 */
export const forget = (
  matching: Matching,
  table: SessionTable,
  found: { readonly lookedAt: number; readonly hotRequirements: readonly number[] },
): void => {
  const hot = new Set(found.hotRequirements);
  for (const id of matching.hotRequirements.keys()) {
    if (!hot.has(id)) cool(matching.hotRequirements, id, found.lookedAt);
  }
  for (const key of matching.hotBots.keys()) if (!table.byBot.has(key)) matching.hotBots.delete(key);
  for (const id of matching.hotDevices.keys()) if (!table.byDevice.has(id)) matching.hotDevices.delete(id);
  for (const classKey of matching.served.keys()) if (!table.classes.has(classKey)) matching.served.delete(classKey);
  if (matching.requirements.size <= KNOWN_MAX) return;
  matching.requirements.clear();
  matching.served.clear();
};

export const drainOf = (matching: Matching, session: Pick<Session, 'instance' | 'botId'>): string | null =>
  matching.drains.find((drain) => drain.instance === session.instance && matchesPattern(drain.pattern, session.botId))
    ?.note ?? null;

/** What this session could look for now; null: nothing that we know of, or it may not. */
export type Search = {
  readonly wanted: number;
  readonly requirementIds: readonly number[];
  readonly deviceIds: readonly number[];
  readonly bot: boolean;
};

export const searchOf = (matching: Matching, session: Session, nowMs: number): Search | null => {
  const wanted = roomOf(session, nowMs);
  if (wanted === 0) return null;
  const requirementIds = [...matching.hotRequirements].flatMap(([id, { passed }]) =>
    !passed.has(session.name) && mayServe(matching, session, id) ? [id] : [],
  );
  const deviceIds = session.declared.deviceIds.filter((id) => matching.hotDevices.has(id));
  const bot = matching.hotBots.has(botKey(session.instance, session.botId));
  if (requirementIds.length === 0 && deviceIds.length === 0 && !bot) return null;
  if (drainOf(matching, session) !== null) return null;
  return { wanted, requirementIds, deviceIds, bot };
};

/** What is known of classes, and no hint. */
export const withoutHints = (matching: Matching): Matching => ({
  ...matching,
  hotRequirements: new Map(),
  hotDevices: new Map(),
  hotBots: new Map(),
});

/** The hints of both; where both have one, the second's. */
export const withHints = (matching: Matching, more: Matching): Matching => ({
  ...matching,
  hotRequirements: new Map([...matching.hotRequirements, ...more.hotRequirements]),
  hotDevices: new Map([...matching.hotDevices, ...more.hotDevices]),
  hotBots: new Map([...matching.hotBots, ...more.hotBots]),
});

/**
 * Parked sessions that could take something of what is hot, at most as many as there seem to be jobs.
 * @param isFit leaves others out; all are by default.
 */
export const hungryFor = (
  matching: Matching,
  table: SessionTable,
  nowMs: number,
  isFit: (session: Session) => boolean = () => true,
): Session[] => {
  const chosen = new Set<Session>();
  const consider = (session: Session): boolean => {
    if (session.parked === null || chosen.has(session) || !isFit(session)) return false;
    if (searchOf(matching, session, nowMs) === null) return false;
    chosen.add(session);
    return true;
  };
  for (const [id, hint] of matching.hotRequirements) {
    let left = Math.max(1, hint.jobs);
    for (const [classKey, { instance, properties, sessions }] of table.classes) {
      if (left === 0) break;
      if (!mayServe(matching, { instance, properties, classKey }, id)) continue;
      for (const session of sessions) {
        if (left === 0) break;
        if (consider(session)) left -= 1;
      }
    }
  }
  for (const id of matching.hotDevices.keys()) for (const session of table.byDevice.get(id) ?? []) consider(session);
  for (const key of matching.hotBots.keys()) {
    const session = table.byBot.get(key);
    if (session !== undefined) consider(session);
  }
  return [...chosen];
};
