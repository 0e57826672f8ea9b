/** A token opens the doors until it ends, and nowhere for longer than the farm promises. */
import { EPOCH_MS } from './life.ts';
import { limits } from './replica.ts';
import type { Site } from './site.ts';

/** What a replica has not read for `staleMs` it does not believe, and its watch over that is a second late at most. */
const HOLDS_ON_MS = limits.tokens.staleMs + 1_000;
/** A transaction that is left idle is rolled back after 10 s, and its commit may take 5 s. */
const COMMIT_MS_MAX = limits.postgres.idleInTransactionMs + limits.postgres.statementMs;
/** The database's clock is told in steps. */
const SLACK_MS = 100;

export const checkTokens = async (site: Site, forgives: (atMs: number) => boolean): Promise<void> => {
  const { world, tokens, failedOverMs } = site;
  const rows = await world.database.ask<{ id: string; botId: string; isRevoked: boolean; endMs: number }>(
    `select id, bot_id as "botId", revoked_at is not null as "isRevoked",
            extract(epoch from least(revoked_at, expires_at))::double precision * 1000 as "endMs"
     from bot_tokens order by id`,
  );
  const known = new Map(rows.map((row) => [row.id, { ...row, endMs: row.endMs - EPOCH_MS }]));
  for (const { id, lastPollMs, lastBelievedMs, firstDeniedMs } of tokens.seen) {
    // One that a failover has lost ended with it.
    const { botId, isRevoked, endMs } = known.get(id) ?? { botId: 'nobody', isRevoked: false, endMs: failedOverMs };
    const overMs = HOLDS_ON_MS + (isRevoked ? revokedMs(site, botId, endMs) : endMs);
    const name = `a token of ${botId} that ended at ${Math.round(endMs)} ms`;
    if (lastPollMs > overMs)
      world.violate('a token that has ended holds no poll', `${name} had one answered at ${Math.round(lastPollMs)} ms`);
    if (lastBelievedMs > overMs)
      world.violate('a token that has ended opens nothing', `${name} was believed at ${Math.round(lastBelievedMs)} ms`);
    if (firstDeniedMs < endMs - SLACK_MS && !forgives(firstDeniedMs))
      world.violate('a token holds until it ends', `${name} was denied at ${Math.round(firstDeniedMs)} ms`);
  }
};

/** What its row says was written before its commit; the admin's first answer after that comes after both. */
const revokedMs = ({ admin }: Site, botId: string, writtenMs: number): number => {
  const answered = admin.revocations.find((each) => each.botId === botId && each.atMs >= writtenMs);
  return Math.min(answered?.atMs ?? Infinity, writtenMs + COMMIT_MS_MAX);
};
