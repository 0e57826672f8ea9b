/** Processes of workers that do what a test says, on a clock that it moves. */
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import type { Readiness } from '../../src/core/readiness.ts';
import type { Answers } from '../../src/workers/exchange.ts';
import type { Ending, WorkerProcess } from '../../src/workers/fork.ts';
import { Supervisor } from '../../src/workers/supervisor.ts';
import type { AskedOfPrimary } from '../../src/workers/talk.ts';
import { createManualClock } from '../support/manual-clock.ts';

export interface ScriptedWorker {
  readonly place: number;
  /** Which of all that were forked, from 1. */
  readonly pid: number;
  /** What it was asked and told, in order. */
  readonly heard: string[];
  readonly tell: Answers<AskedOfPrimary>;
  /** It has begun, and serves. */
  readonly serves: () => Promise<void>;
  readonly ends: (ending: Partial<Ending>) => Promise<void>;
  /** Neither answers nor follows from now on. */
  readonly hangs: () => void;
  ready: Readiness;
}

const doors = { grpcAddress: '127.0.0.1:50051', httpUrl: 'http://127.0.0.1:8081/', factoryUrl: null };

export const openScriptedHost = (wanted: number, changed: Partial<Limits['workers']> = {}) => {
  const clock = createManualClock();
  const forked: ScriptedWorker[] = [];
  const log: string[] = [];
  const counted: (readonly [process: number, page: unknown])[] = [];
  const gone: number[] = [];
  const deaths = { count: 0 };
  const waiting: (() => void)[] = [];
  const say = (facts: Readonly<Record<string, unknown>>, sentence: string): void => {
    log.push(`${'worker' in facts ? `${String(facts['worker'])}: ` : ''}${sentence}`);
  };

  const fork = (place: number, tell: Answers<AskedOfPrimary>): WorkerProcess => {
    const pid = forked.length + 1;
    const heard: string[] = [];
    const end = Promise.withResolvers<Ending>();
    let isDeaf = false;
    const worker: ScriptedWorker = {
      place,
      pid,
      heard,
      tell,
      serves: async () => {
        await tell.begin(null);
        await tell.serving(doors);
        await clock.advance(0);
      },
      ends: async (ending) => {
        end.resolve({ code: null, signal: null, ...ending });
        await clock.advance(0);
      },
      hangs: () => {
        isDeaf = true;
      },
      ready: { ok: true, why: '' },
    };
    forked.push(worker);
    for (const look of waiting.splice(0)) look();
    const answers: Readonly<Record<string, () => unknown>> = {
      alive: () => null,
      ready: () => worker.ready,
      page: () => `page of ${pid}`,
      stop: () => {
        end.resolve({ code: 0, signal: null });
        return null;
      },
    };
    return {
      pid,
      ask: async (question: string, _about: unknown, withinMs: number) => {
        heard.push(question);
        if (!isDeaf) return toAnswer(answers[question]!());
        await clock.sleep(withinMs);
        throw new Error(`there was no answer within ${withinMs} ms`);
      },
      ended: end.promise,
      kill: () => {
        heard.push('SIGKILL');
        end.resolve({ code: null, signal: 'SIGKILL' });
      },
    };
  };

  const limits = { ...defaultLimits.workers, ...changed };
  const supervisor = new Supervisor({
    fork,
    wanted,
    limits,
    clock,
    // All of the wait that back-off allows.
    random: () => 1,
    log: { info: say, warn: say, error: say },
    answers: { begin: () => ({ databaseUrl: 'postgresql://…', embeddedIn: null }), metrics: () => '' },
    witness: {
      counted: (process, page) => counted.push([process, page]),
      gone: (process) => gone.push(process),
      died: () => (deaths.count += 1),
    },
  });

  /** The one that was forked as the n-th, once it is. */
  const nth = async (n: number): Promise<ScriptedWorker> => {
    while (forked.length < n) await new Promise<void>((resolve) => waiting.push(resolve));
    return forked[n - 1]!;
  };

  /** All places are held, and all holders serve. */
  const start = async (): Promise<void> => {
    const starting = supervisor.start();
    await (await nth(1)).serves();
    await starting;
    for (let n = 2; n <= wanted; n += 1) await (await nth(n)).serves();
  };

  return { supervisor, limits, clock, forked, log, counted, gone, deaths, nth, start };
};

function toAnswer(answer: unknown): never {
  return answer as never;
}
