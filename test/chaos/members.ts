/** The processes of a run, each with a name that outlives its deaths: replicas, hosts of bots, the shopfloor. */
import { type Running, start as startCommand } from '../../src/cli/demo/processes.ts';
import { processClock } from '../../src/process-clock.ts';
import { machineMs } from './history.ts';

export interface MemberOptions {
  readonly name: string;
  readonly words: readonly string[];
  readonly logPath: string;
  /** Another program than `stationgrid`. */
  readonly command?: string;
  /** Resolves when it does its work; rejects when it ended before. */
  readonly ready: (started: Running) => Promise<unknown>;
  /** Whether it may say that it cannot start just now, when it had started before: it is then tried again. */
  readonly mayRefuse: boolean;
}

/** A time in which a member did not work, on the machine's clocks. */
export interface Span {
  /** `leaving`: told to stop at the end of the run, and from then on nobody's concern. */
  readonly kind: 'dead' | 'frozen' | 'leaving';
  readonly fromMs: number;
  readonly toMs: number;
  readonly fromWallMs: number;
  readonly toWallMs: number;
}

/** sysexits.h EX_CONFIG, as `serve` says it when its database does not let it in. */
const CANNOT_START = 78;
const RETRY_MS = 300;
const STOP_MS = 30_000;

export type Member = ReturnType<typeof createMember>;

export function createMember(options: MemberOptions) {
  const { name, words, logPath, command } = options;
  const spans: Span[] = [];
  const wrong: string[] = [];
  let running: Running | null = null;
  let isExpected = false;
  let downSince = { ms: machineMs(), wallMs: Date.now() };
  let frozenSince: typeof downSince | null = null;
  let lives = 0;

  const now = (): typeof downSince => ({ ms: machineMs(), wallMs: Date.now() });
  const span = (kind: Span['kind'], from: typeof downSince): void => {
    const to = now();
    spans.push({ kind, fromMs: from.ms, fromWallMs: from.wallMs, toMs: to.ms, toWallMs: to.wallMs });
  };
  const watch = (life: Running): void => {
    void life.ended.then((how) => {
      if (!isExpected && running === life) wrong.push(`${name} ended by itself with ${how}`);
      if (running === life) running = null;
    });
  };

  const start = async (): Promise<void> => {
    if (running !== null) return;
    for (;;) {
      isExpected = false;
      const life =
        command === undefined ? startCommand(name, words, logPath) : startCommand(name, words, logPath, command);
      running = life;
      lives += 1;
      try {
        await options.ready(life);
      } catch (cause) {
        const how = await life.ended;
        running = null;
        if (lives === 1) throw new Error(`${name} did not start; its log is ${logPath}`, { cause });
        if (how !== CANNOT_START || !options.mayRefuse) wrong.push(`${name} did not start: it ended with ${how}`);
        await processClock.sleep(RETRY_MS);
        continue;
      }
      watch(life);
      span('dead', downSince);
      return;
    }
  };
  const signal = (name: NodeJS.Signals): void => void running?.child.kill(name);
  const thaw = (): void => {
    if (frozenSince === null) return;
    signal('SIGCONT');
    span('frozen', frozenSince);
    frozenSince = null;
  };

  return {
    name,
    logPath,
    start,
    isRunning: (): boolean => running !== null,
    /** Grows with each start: whose counters begin anew. */
    lives: (): number => lives,
    spans: (): readonly Span[] => spans,
    /** How it ended, whenever that was not our doing. */
    wrong: (): readonly string[] => wrong,
    kill: async (): Promise<void> => {
      const life = running;
      if (life === null) return;
      isExpected = true;
      downSince = now();
      life.child.kill('SIGKILL');
      await life.ended;
      running = null;
    },
    freeze: (): void => {
      if (running === null) return;
      frozenSince = now();
      signal('SIGSTOP');
    },
    thaw,
    /** In order; how that went wrong is noted. */
    stop: async (): Promise<void> => {
      const life = running;
      if (life === null) return;
      thaw();
      isExpected = true;
      const leaving = now();
      life.child.kill('SIGTERM');
      const patience = setTimeout(() => life.child.kill('SIGKILL'), STOP_MS);
      const how = await life.ended;
      clearTimeout(patience);
      running = null;
      span('leaving', leaving);
      if (how !== 0) wrong.push(`${name} was told to stop and ended with ${how}`);
    },
  };
}
