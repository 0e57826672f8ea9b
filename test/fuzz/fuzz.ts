/** A run: inputs from a seed, target by target in turn, until the time or their number is over. */
import { createPrng } from '../sim/prng.ts';
import type { Finding } from './judge.ts';
import { openRange } from './judge.ts';
import { layGround } from './site.ts';
import type { Target } from './target.ts';

export type FuzzOptions = {
  readonly seed: string;
  readonly targets: readonly Target[];
  /** Ends the run, whatever is left. Null: only the inputs count. */
  readonly seconds: number | null;
  /** Of each target. Null: only the time counts. */
  readonly inputs: number | null;
  /** The one input to throw, by its number; null: all from the first. */
  readonly only: number | null;
  /** The run ends at so many findings: what comes after the first few is mostly more of them. */
  readonly findingsMax: number;
  readonly show: (progress: { readonly thrown: number; readonly findings: number; readonly target: string }) => void;
  readonly found: (finding: NumberedFinding) => void;
};

export type NumberedFinding = Finding & { readonly seed: string; readonly number: number };

export type FuzzReport = {
  readonly seed: string;
  readonly seconds: number;
  /** Inputs by target. */
  readonly thrown: Readonly<Record<string, number>>;
  /** Answers by target: how often each kind was given. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly findings: readonly NumberedFinding[];
  /** Heap after a collection, in MiB: when the run was warm, and at its end. */
  readonly heapMiB: Readonly<Record<string, readonly [warm: number, end: number]>>;
};

/** Compiled, connected, cached: what comes after is growth. */
const WARM_INPUTS = 100;
/** Growth over a run that is no leak: rows and sessions that inputs made are remembered. */
const HEAP_GROWTH_MIB_MAX = 96;
const MIB = 1024 * 1024;

export const fuzz = async (options: FuzzOptions): Promise<FuzzReport> => {
  const { seed, targets, seconds, inputs, only } = options;
  const ground = layGround();
  const range = await openRange(ground);
  const began = performance.now();
  const spent = (): number => (performance.now() - began) / 1000;
  const runs = targets.map((target) => ({
    target,
    next: only ?? 0,
    thrown: 0,
    ms: 0,
    answers: new Map<string, number>(),
  }));
  const findings: NumberedFinding[] = [];
  let warm: Readonly<Record<string, number>> | null = null;
  const isOver = (): boolean => findings.length >= options.findingsMax || (seconds !== null && spent() >= seconds);
  const end = only === null ? (inputs ?? Infinity) : only + 1;
  try {
    while (!isOver()) {
      // Each target has the same share of the time, whatever one input of it costs.
      const [run] = runs.filter(({ next }) => next < end).sort((a, b) => a.ms - b.ms);
      if (run === undefined) break;
      const { target, next: number, answers } = run;
      const throwing = performance.now();
      const input = target.make(createPrng(`${seed}/${target.name}/${String(number)}`));
      const finding = await range.throwAt(target, input, (kind) => answers.set(kind, (answers.get(kind) ?? 0) + 1));
      run.next += 1;
      run.thrown += 1;
      run.ms += performance.now() - throwing;
      if (finding !== null) {
        const numbered = { ...finding, seed, number };
        findings.push(numbered);
        options.found(numbered);
      }
      const thrown = runs.reduce((all, each) => all + each.thrown, 0);
      options.show({ thrown, findings: findings.length, target: target.name });
      if (thrown === WARM_INPUTS) warm = await range.heaps();
    }
    const heaps = await range.heaps();
    const heapMiB = Object.fromEntries(
      Object.entries(heaps).map(([name, bytes]) => [name, [(warm?.[name] ?? bytes) / MIB, bytes / MIB] as const]),
    );
    const by = <T>(of: (run: (typeof runs)[number]) => T): Record<string, T> =>
      Object.fromEntries(runs.map((run) => [run.target.name, of(run)]));
    return {
      ...{ seed, seconds: spent(), findings, heapMiB },
      thrown: by(({ thrown }) => thrown),
      answers: by(({ answers }) => Object.fromEntries(answers)),
    };
  } finally {
    await range.close();
    ground.remove();
  }
};

/** Processes that have grown more than what they were fed explains. */
export const leaks = ({ heapMiB }: FuzzReport): readonly string[] =>
  Object.entries(heapMiB)
    .filter(([, [warm, end]]) => end - warm > HEAP_GROWTH_MIB_MAX)
    .map(([name, [warm, end]]) => `${name} grew from ${warm.toFixed(0)} to ${end.toFixed(0)} MiB of heap`);

/** The command that throws the input of a finding again. */
export const repeatCommand = ({ target, seed, number }: NumberedFinding): string =>
  `npm run fuzz -- --target ${target} --seed ${seed} --only ${String(number)}`;
