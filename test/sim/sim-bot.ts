/** A DUT host with the real bot SDK on it: started, killed, stopped and started again. */
import { createBot } from '../../bot/create-bot.ts';
import type { Handler } from '../../bot/handler.ts';
import type { Credentials } from '../../src/farm/identify.ts';
import type { Fixtures } from './fixtures.ts';
import type { History } from './history.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { DrawnBot } from './scenario.ts';
import type { Admin } from './admin.ts';
import { createSimTransport, createUnary, type Unary } from './sim-transport.ts';
import { BUG_THROWN, type World } from './world.ts';

export type BotParts = {
  readonly world: World;
  readonly bot: DrawnBot;
  readonly prng: Prng;
  readonly history: History;
  readonly fixtures: Fixtures;
  /** Gives it what it shows. */
  readonly admin: Admin;
  /** Of the process; that of a second one under the same bot_id differs. */
  readonly name: string;
};

/** A supervisor starts a bot that has stopped by itself again after this. */
const RESTART_MS = 5_000;

/** Calls with what the bot has just now; who is turned away is heard. */
export const createBotUnary = ({ world, bot, prng, admin }: BotParts, life: Life): Unary => {
  const shown = (): Credentials => admin.credentialsOf(bot);
  const unary = createUnary(world, life, { prng: prng.split('balance'), wanders: bot.wanders, shown });
  return async (method, request, bounds) => {
    const answer = await unary(method, request, bounds);
    admin.heard(bot, answer);
    return answer;
  };
};

/** One life of the bot's process. Resolves never if it is killed. */
export const runSdkBot = (parts: BotParts): Life => {
  const { world, bot, prng, history, fixtures, name } = parts;
  const life = world.begin(name);
  fixtures.clearUp(name);
  const unary = createBotUnary(parts, life);
  const [primary, ...more] = bot.boards;
  const sdk = createBot({
    transport: createSimTransport(unary, history),
    instance: bot.instance,
    botId: bot.botId,
    properties: { pool: [bot.pool] },
    serials: primary === undefined ? {} : serialsOf(primary),
    devices: more.map((board) => ({ handle: board, properties: {}, serials: serialsOf(board) })),
    capacity: bot.capacity,
    handlers: { simulate: simulate({ life, fixtures, by: name }) },
    clock: life.clock,
    random: prng.split('bot').random,
    log: (level, sentence) => {
      if (level !== 'info') world.trace.add(name, sentence);
    },
  });
  void sdk.run(new AbortController().signal).then(
    (why) => {
      world.trace.add(name, `stopped: ${why}`);
      world.time.after(RESTART_MS, () => life.deliver(() => life.die()));
    },
    (error: unknown) => world.violate(BUG_THROWN, `the bot SDK rejected: ${String(error)}`),
  );
  return life;
};

export const serialsOf = (board: string): Readonly<Record<string, string>> => ({ mlb_serial_number: board });

/** Keeps the unit busy for so long, then says what the job's request wants said. */
const simulate =
  ({ life, fixtures, by }: { life: Life; fixtures: Fixtures; by: string }): Handler =>
  async ({ test, args, serials, attempt, signal, clock }) => {
    const board = serials['serials.mlb_serial_number'];
    const what = `${String(args['job'])} attempt ${attempt}`;
    const run = board === undefined ? null : fixtures.begin(life, { board, by, what, isKnown: () => true });
    await clock.sleep(Number(args['durationMs']), signal);
    run?.end();
    if (signal.aborted) throw new Error(`${test.testId} was stopped`);
    const outcome = args['outcome'];
    if (outcome === 'FAILED') throw new Error('a drawn fault');
    return { status: outcome === 'SKIPPED' || outcome === 'FAILED_AND_WAIVED' ? outcome : 'PASSED' };
  };
