/** Questions and answers between two processes of one host, over the channel that node gives a parent and its child. */
import type { Clock } from '../core/clock.ts';

/** The channel, as far as it is needed. What is sent when nobody is left to hear it is lost. */
export type Wire = {
  readonly send: (message: unknown) => void;
  readonly hear: (take: (message: unknown) => void) => void;
  /** Aborts when the other process is gone, or its channel. */
  readonly over: AbortSignal;
};

/** Questions by name, each with what is said along and what is answered. */
type Talk = object;
type About<T, Q extends keyof T> = T[Q] extends { readonly about: infer A } ? A : never;
type Answer<T, Q extends keyof T> = T[Q] extends { readonly answer: infer A } ? A : never;

export type Answers<T extends Talk> = {
  readonly [Q in keyof T]: (about: About<T, Q>) => Answer<T, Q> | Promise<Answer<T, Q>>;
};

/** @throws Unanswered when no answer came in time, the other process is gone, or had none. */
export type Ask<T extends Talk> = <Q extends keyof T & string>(
  question: Q,
  about: About<T, Q>,
  withinMs: number,
) => Promise<Answer<T, Q>>;

export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

type Message =
  | { readonly ask: number; readonly question: string; readonly about: unknown }
  | { readonly to: number; readonly answer: unknown }
  | { readonly to: number; readonly fault: string };

type Waiting = { readonly answered: (answer: unknown) => void; readonly failed: (why: string) => void };

/** Both processes run the same code, so what they say to each other has the form that its type says. */
export const openExchange = <Asked extends Talk, Mine extends Talk>(
  wire: Wire,
  clock: Clock,
  answers: Answers<Mine>,
): Ask<Asked> => {
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  const reply = async (message: Extract<Message, { readonly ask: number }>): Promise<void> => {
    const { ask: to, question, about } = message;
    try {
      const answer: (about: never) => unknown = answers[toQuestion(question)];
      wire.send({ to, answer: await answer(toAbout(about)) });
    } catch (error) {
      wire.send({ to, fault: error instanceof Error ? error.message : String(error) });
    }
  };
  wire.hear((heard) => {
    const message = toMessage(heard);
    if ('ask' in message) void reply(message);
    else if ('fault' in message) waiting.get(message.to)?.failed(message.fault);
    else waiting.get(message.to)?.answered(message.answer);
  });
  return async (question, about, withinMs) => {
    const ask = (asked += 1);
    const answered = new AbortController();
    const answer = new Promise<unknown>((resolve, reject) => {
      waiting.set(ask, {
        answered: resolve,
        failed: (why) => reject(new Unanswered(why)),
      });
    });
    wire.send({ ask, question, about });
    const late = async (): Promise<never> => {
      await clock.sleep(withinMs, AbortSignal.any([answered.signal, wire.over]));
      throw new Unanswered(wire.over.aborted ? 'the process is gone' : `there was no answer within ${withinMs} ms`);
    };
    try {
      const told: unknown = await Promise.race([answer, late()]);
      return toAnswer(told);
    } finally {
      answered.abort();
      waiting.delete(ask);
    }
  };
};

function toMessage(heard: unknown): Message {
  return heard as Message;
}
// What was asked says which type is meant; `never` fits them all.
function toQuestion(question: string): never {
  return question as never;
}
function toAbout(about: unknown): never {
  return about as never;
}
function toAnswer(answer: unknown): never {
  return answer as never;
}
