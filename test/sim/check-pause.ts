/** After a failover no shopfloor is told anything until the line's people have compared notes and said so. */
import type { Site } from './site.ts';

/** What was journalled before the failover may still be on its way. */
const ON_ITS_WAY_MS = 10_000;

export const checkPause = ({ world, admin, partner, scenario, failedOverMs }: Site): void => {
  if (failedOverMs === -Infinity) return;
  const lineOf = new Map(scenario.bots.flatMap(({ boards, instance }) => boards.map((board) => [board, instance])));
  for (const { atMs, board, method } of partner.journal) {
    const instance = lineOf.get(board);
    const resumed = admin.resumptions.find((each) => each.instance === instance && each.askedMs > failedOverMs);
    if (atMs < failedOverMs + ON_ITS_WAY_MS || atMs > (resumed?.askedMs ?? Infinity)) continue;
    world.violate(
      'a bridge waits after a restore',
      `${method} of ${board} was told at ${Math.round(atMs)} ms; the database failed over at ${Math.round(failedOverMs)} ms, and nobody had resumed`,
    );
  }
};
