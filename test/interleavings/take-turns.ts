/** Runs two sides by a schedule, one statement at a time. A side that waits for the other's lock is passed over until it is free. */
import type { Queryable } from '../../src/store/transaction.ts';
import type { Run, Schedule } from './schedules.ts';
import type { Side } from './side.ts';

/** What happened, statement by statement, for people. */
export interface Turn {
  readonly side: Side['name'];
  readonly text: string;
  /** It had to wait for the other side. */
  readonly waited: boolean;
}

/** Ends what hangs; no judge of how fast a machine is. */
const HANGS_MS = 20_000;

export const takeTurns = async (
  sides: readonly [Side, Side],
  schedule: Schedule,
  watcher: Queryable,
): Promise<readonly Turn[]> => {
  const turns: Turn[] = [];
  const hang = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const told = sides.map((side) => `${side.name}: ${side.ended() ?? (side.isStopped() ? 'stopped' : 'under way')}`);
    hang.reject(new Error(`${told.join('; ')} after ${turns.map(({ side }) => side).join('')}, and nothing happens`));
  }, HANGS_MS);
  try {
    await Promise.race([hang.promise, play(sides, schedule, watcher, turns)]);
    return turns;
  } catch (error) {
    // Whoever comes next finds nobody standing about with locks.
    await Promise.all(sides.map((side) => side.idle()));
    throw error;
  } finally {
    clearTimeout(timer);
  }
};

const play = async (
  sides: readonly [Side, Side],
  schedule: Schedule,
  watcher: Queryable,
  turns: Turn[],
): Promise<void> => {
  const waiting = new Set<Side>();
  /** The one that moves comes first: where it lets a lock go, the other moves on. */
  const settleBoth = async (mover: Side): Promise<void> => {
    for (const side of [mover, ...sides.filter((each) => each !== mover)]) {
      const other = sides.find((each) => each !== side);
      if (await settle(side, other, watcher)) waiting.delete(side);
      else waiting.add(side);
    }
  };
  const canGo = (side: Side): boolean => side.isStopped() && !waiting.has(side);
  const step = async (side: Side): Promise<void> => {
    const text = side.go();
    await settleBoth(side);
    turns.push({ side: side.name, text, waited: waiting.has(side) });
    // Each waits for the other: PostgreSQL ends one of them.
    while (waiting.size === sides.length) {
      await Promise.race(sides.map((each) => each.changed()));
      await settleBoth(side);
    }
  };
  const named = (name: Run['side']): Side => (name === sides[0].name ? sides[0] : sides[1]);

  await settleBoth(sides[0]);
  for (const { side, turns: count } of schedule) {
    for (let taken = 0; taken < count && canGo(named(side)); taken += 1) await step(named(side));
  }
  const last = named(schedule.at(-1)?.side ?? 'A');
  const order = [last, ...sides.filter((side) => side !== last)];
  for (let next = order.find(canGo); next !== undefined; next = order.find(canGo)) await step(next);
  const left = sides.filter((side) => side.ended() === null).map(({ name }) => name);
  if (left.length > 0) throw new Error(`${left.join(' and ')} cannot go on, and nobody is in the way`);
};

/** Resolves when the side has stopped or ended: true. Or when it waits for a lock that the other one has: false. */
const settle = async (side: Side, other: Side | undefined, watcher: Queryable): Promise<boolean> => {
  while (!side.isStopped() && side.ended() === null) {
    const changed = side.changed();
    const running = side.running();
    if (running.length === 0 || other?.isUnderWay() !== true) await changed;
    else if (await Promise.race([changed.then(() => false), isBlocked(watcher, running)])) return false;
  }
  return true;
};

/** By what PostgreSQL says of its locks. Nothing else but the other side, which stands still, could have them. */
const isBlocked = async (watcher: Queryable, pids: readonly number[]): Promise<boolean> => {
  const { rows } = await watcher.query<{ isBlocked: boolean }>({
    name: 'is blocked',
    text: 'select bool_and(cardinality(pg_blocking_pids(pid)) > 0) as "isBlocked" from unnest($1::integer[]) as pid',
    values: [pids],
  });
  return rows[0]?.isBlocked === true;
};
