import { expect, test } from 'vitest';
import { type Answers, openExchange, Unanswered, type Wire } from '../../src/workers/exchange.ts';
import { createManualClock } from '../support/manual-clock.ts';

type Questions = {
  readonly twice: { readonly about: { readonly n: number }; readonly answer: number };
  readonly never: { readonly about: null; readonly answer: null };
};
const answers: Answers<Questions> = {
  twice: ({ n }) => {
    if (n < 0) throw new Error('I count from 0');
    return Promise.resolve(2 * n);
  },
  never: () => new Promise(() => undefined),
};

/** Two processes; what they say goes as JSON, as it does between real ones. */
const openPair = () => {
  const clock = createManualClock();
  const over = new AbortController();
  const hearers: ((message: unknown) => void)[][] = [[], []];
  const wire = (own: number): Wire => ({
    send: (message) => {
      const sent = JSON.stringify(message);
      queueMicrotask(() => {
        for (const hear of hearers[1 - own]!) hear(JSON.parse(sent));
      });
    },
    hear: (take) => void hearers[own]!.push(take),
    over: over.signal,
  });
  openExchange<Questions, Questions>(wire(1), clock, answers);
  return { clock, over, ask: openExchange<Questions, Questions>(wire(0), clock, answers) };
};

test('each question gets its own answer, whatever is asked beside it', async () => {
  const { ask } = openPair();
  const answered = await Promise.all([ask('twice', { n: 4 }, 1_000), ask('twice', { n: 7 }, 1_000)]);
  expect(answered).toEqual([8, 14]);
});

test('what goes wrong at the other end is told in its words', async () => {
  const { ask } = openPair();
  await expect(ask('twice', { n: -1 }, 1_000)).rejects.toThrow(new Unanswered('I count from 0'));
});

test('an answer is waited for so long', async () => {
  const { ask, clock } = openPair();
  const asked = expect(ask('never', null, 1_000)).rejects.toThrow(new Unanswered('there was no answer within 1000 ms'));
  await clock.advance(1_000);
  await asked;
});

test('when the other process ends, nobody waits for it', async () => {
  const { ask, over } = openPair();
  const asked = expect(ask('never', null, 1_000)).rejects.toThrow(new Unanswered('the process is gone'));
  over.abort();
  await asked;
  await expect(ask('twice', { n: 1 }, 1_000)).rejects.toThrow(new Unanswered('the process is gone'));
});
