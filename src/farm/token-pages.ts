/** The reading of bots' tokens into memory: what changed since the last time, one reading at a time. */
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { type KnownToken, readTokens, type TokenHorizon, type TokenReading } from '../store/bot-tokens.ts';
import type { Farm } from './farm.ts';

export type TokenEntry = {
  readonly id: string;
  readonly bot: BotIdentity;
  readonly secretSha256: Buffer;
  /** On this process's monotonic clock. */
  readonly endsMs: number;
  readonly isRevoked: boolean;
  /** Of the calls that go on under this token now. */
  readonly held: AbortController;
};

export type TokenPages = {
  readonly entries: ReadonlyMap<string, TokenEntry>;
  /** What is remembered was true at this monotonic ms, or later. */
  readonly asOfMs: () => number;
  /** Never rejects; false: the database did not answer. A reading that is under way does not count: another follows. */
  readonly read: () => Promise<boolean>;
  /** @throws whatever the database throws. */
  readonly readFirst: () => Promise<void>;
  /** A reading that began after the id was shown did not bring it, so that no later one can: ids are drawn by the farm. */
  readonly isAbsent: (id: string) => boolean;
  readonly noteAbsent: (id: string) => void;
  /** No reading begins any more, and what becomes of one under way is nobody's concern. */
  readonly close: () => void;
  /** Ends all calls that go on under a token; the next ones are judged anew. */
  readonly letAllGo: (why: Refusal) => void;
};

/** Everything is read this often, whatever was said to have changed: a restored database forgets without a change. */
const WHOLE_EVERY_MS = 60_000;
/** Between the beginnings of two readings, however many ask. */
const GAP_MS = 100;

export const openTokenPages = ({
  pool,
  clock,
  limits,
  log,
}: Pick<Farm, 'pool' | 'clock' | 'limits' | 'log'>): TokenPages => {
  const entries = new Map<string, TokenEntry>();
  const absent = new Set<string>();
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  let horizon: TokenHorizon | null = null;
  let asOfMs = Number.NEGATIVE_INFINITY;
  let wholeMs = Number.NEGATIVE_INFINITY;
  let begunMs = Number.NEGATIVE_INFINITY;
  let running: Promise<boolean> | null = null;
  let next: Promise<boolean> | null = null;

  const readNow = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    begunMs = startedMs;
    const isWholeDue = startedMs - wholeMs >= WHOLE_EVERY_MS;
    const reading = await readTokens(pool, isWholeDue ? null : horizon);
    learn(entries, reading, startedMs);
    if (reading.isWhole) {
      wholeMs = startedMs;
      absent.clear();
    }
    horizon = reading.horizon;
    asOfMs = startedMs;
  };
  const run = async (): Promise<boolean> => {
    const earlyMs = begunMs + GAP_MS - clock.monotonicMs();
    if (earlyMs > 0) await clock.sleep(earlyMs, closing.signal);
    next = null;
    if (isClosing()) return false;
    try {
      await readNow();
      return true;
    } catch (error) {
      if (isClosing()) return false;
      log.warn({ err: error }, 'the tokens of bots could not be read; trying again');
      return false;
    }
  };
  return {
    entries,
    asOfMs: () => asOfMs,
    read: () => {
      if (next !== null) return next;
      next = running = (running ?? Promise.resolve(true)).then(run);
      return next;
    },
    readFirst: readNow,
    isAbsent: (id) => absent.has(id),
    noteAbsent: (id) => {
      const [oldest] = absent;
      if (oldest !== undefined && absent.size >= limits.tokens.absentMax) absent.delete(oldest);
      absent.add(id);
    },
    close: () => {
      closing.abort();
    },
    letAllGo: (why) => {
      for (const entry of [...entries.values()]) {
        entries.set(entry.id, { ...entry, held: new AbortController() });
        entry.held.abort(why);
      }
    },
  };
};

const learn = (entries: Map<string, TokenEntry>, { tokens, isWhole }: TokenReading, startedMs: number): void => {
  for (const token of tokens) put(entries, token, startedMs);
  if (!isWhole) return;
  const here = new Set(tokens.map(({ id }) => id));
  for (const entry of [...entries.values()]) {
    if (here.has(entry.id)) continue;
    entries.delete(entry.id);
    entry.held.abort(unknownToken());
  }
};

/** What was left of its time when the database was asked counts from then: it ends here no later than it does there. */
const put = (entries: Map<string, TokenEntry>, token: KnownToken, startedMs: number): void => {
  const { id, instance, botId, secretSha256, expiresInMs, isRevoked } = token;
  const before = entries.get(id)?.held;
  const held = before === undefined || before.signal.aborted ? new AbortController() : before;
  const entry = { id, bot: { instance, botId }, secretSha256, endsMs: startedMs + expiresInMs, isRevoked, held };
  entries.set(id, entry);
  if (isRevoked) held.abort(revokedToken(entry.bot));
};

const HOW_TO_GET_ONE = 'Have an admin make a new one with `stationgrid bot token create`.';

/** The same for a token that never was and for a wrong secret: whoever guesses learns nothing. */
export const unknownToken = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'TOKEN_UNKNOWN',
    `The farm has no such bot token: it is another farm's, was changed on the way, or ended long ago. ${HOW_TO_GET_ONE}`,
  );

export const revokedToken = ({ instance, botId }: BotIdentity): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'TOKEN_REVOKED',
    `This token of bot ${JSON.stringify(botId)} of instance ${JSON.stringify(instance)} was revoked. ${HOW_TO_GET_ONE}`,
  );

export const expiredToken = ({ instance, botId }: BotIdentity): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'TOKEN_EXPIRED',
    `This token of bot ${JSON.stringify(botId)} of instance ${JSON.stringify(instance)} has expired, by its own time or by a rotation. ${HOW_TO_GET_ONE}`,
  );
