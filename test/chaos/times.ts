/** The times by which the farm and its bots wait for each other, shortened alike: a short run fences as a long one would. */
import { limitTable } from '../../src/core/limits.ts';
import type { Limits as BotLimits } from '../../bot/limits.ts';

export const TIMES_DIVIDED_BY = 15;

/**
 * How long a machine may take for a thing is no shorter in a short run. Under these a busy machine would trip the limit, and
 * not a fault: a connection would be given up whose other end only waits for the processor.
 */
const LEAST_MS: Readonly<Record<string, number>> = {
  'postgres.connectMs': 2_000,
  'postgres.statementMs': 5_000,
  'postgres.lockMs': 1_000,
  'postgres.idleInTransactionMs': 3_000,
  'grpc.keepaliveTimeoutMs': 2_000,
  'grpc.requestMs': 5_000,
  'calls.timeoutMs': 1_000,
  'leadership.takeoverMs': 2_000,
};

/** These times stay: they are for strangers who dawdle and for the books, and nobody is fenced by them. */
const LEFT_ALONE: ReadonlySet<string> = new Set(['doors', 'http', 'audit', 'tokens']);

const shortened = (ms: number): number => Math.max(1, Math.round(ms / TIMES_DIVIDED_BY));

/** The configuration's `limits`, as far as they are times; sizes and counts stay as they are. */
export const limitsOfChaos = (): Readonly<Record<string, Readonly<Record<string, string>>>> =>
  Object.fromEntries(
    Object.entries(limitTable)
      .filter(([group]) => !LEFT_ALONE.has(group))
      .map(([group, declared]) => [
        group,
        Object.fromEntries(
          Object.entries<readonly [number, string]>(declared)
            .filter(([name]) => name.endsWith('Ms'))
            .map(([name, [ms]]) => {
              const least = LEAST_MS[`${group}.${name}`] ?? 1;
              return [name.replace(/Ms$/, ''), `${Math.max(least, shortened(ms))}ms`];
            }),
        ),
      ]),
  );

export const TTL_MS = shortened(limitTable.session.ttlMs[0]);
export const LOST_AFTER_MS = shortened(limitTable.session.lostAfterMs[0]);
export const DUT_GRACE_MS = shortened(limitTable.jobs.dutGraceMs[0]);

/**
 * The bot's own times. Its fence needs none: it follows from the `lost_after` that it is told with its work, and so does how
 * long a call may take while there is some.
 */
export const botLimits: Partial<BotLimits> = {
  idlePollMs: shortened(50_000),
  callMs: 2_000,
  busyPollMs: 1_000,
  repeatMs: 200,
  hurryMs: 200,
  backoffMinMs: shortened(200),
  backoffMaxMs: shortened(10_000),
  keepaliveMs: shortened(30_000),
  keepaliveTimeoutMs: 2_000,
  reconnectMinMs: shortened(200),
  reconnectMaxMs: shortened(5_000),
};
