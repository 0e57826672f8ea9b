/** The bots of a run: they come a few at a time, as a rack's hosts do, and leave together. */
import { LoadBot, type Witness } from './bot.ts';
import type { Connections } from './connections.ts';
import type { Plan } from './plan.ts';
import type { BotTokens } from './tokens.ts';
import { createTurnstile } from './turnstile.ts';
import type { Calling } from './voice.ts';
import { BOT_PREFIX, createResults, workerOf } from './work.ts';

/** Sessions that begin at once, and that end at once. */
const JOINING_MAX = 50;
const LEAVING_MAX = 100;

export const botIdsOf = ({ run, bots }: Plan): readonly string[] =>
  Array.from({ length: bots }, (_, index) => `${BOT_PREFIX}${run}-${String(index + 1)}`);

export type Crew = {
  /** Resolves once every bot has its session, or shall leave. */
  readonly joined: Promise<void>;
  /** Resolves with how many were not heard when they said goodbye, once all have left. */
  readonly left: Promise<number>;
};

type Hands = Pick<Calling, 'clock' | 'random' | 'failed'> & {
  readonly connections: Connections;
  readonly tokens: BotTokens;
  readonly witness: Witness;
  /** Aborts when all shall leave. */
  readonly leaving: AbortSignal;
  /** The farm will not have a bot. All are to leave then. */
  readonly broken: (error: unknown) => void;
};

export const startCrew = (plan: Plan, { tokens, witness, broken, leaving, ...hands }: Hands): Crew => {
  const { run, instance, runMs, results } = plan;
  const found = createResults(plan);
  const waiting = botIdsOf(plan).entries();
  const turnstile = createTurnstile(LEAVING_MAX);
  const crew: LoadBot[] = [];
  /** Each ends with whether its goodbye was heard. */
  const lives: Promise<boolean>[] = [];
  /** The next one comes when one has joined. */
  const admit = (): Promise<void> =>
    new Promise((resolve) => {
      const [through, botId] = waiting.next().value ?? [];
      if (through === undefined || botId === undefined || leaving.aborted) {
        resolve();
        return;
      }
      const joined = (): void => {
        witness.joined();
        resolve(admit());
      };
      const bot = new LoadBot({
        ...{ ...hands, run, instance, botId, through, runMs, found, results, turnstile },
        ...{ worker: workerOf(plan, botId), token: tokens.of(botId) },
        witness: { ...witness, joined },
      });
      crew.push(bot);
      const life = bot.live().catch((error: unknown) => {
        broken(error);
        return true;
      });
      lives.push(life);
      // A bot that left before it had joined opens no door for others: they would leave too.
      void life.then(() => resolve());
    });
  leaving.addEventListener('abort', () => {
    for (const bot of crew) bot.leave();
  });
  const joined = Promise.all(Array.from({ length: JOINING_MAX }, admit)).then(() => undefined);
  const left = joined.then(() => Promise.all(lives)).then((heard) => heard.filter((wasHeard) => !wasHeard).length);
  return { joined, left };
};
