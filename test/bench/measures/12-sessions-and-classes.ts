/** An assignment costs what it takes to hand out a job, whatever the number of bots that wait, and of their kinds. */
import { comparePairs, judge, type Pairs, worst } from '../compare.ts';
import type { Bench, Measure } from '../measure.ts';
import { openParked, type Parked } from '../parked.ts';
import { compared, ms } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 1.2;
const CLASSES_MUST = 2;
const FEW = 100;
const MANY = 50_000;
/** Of one class, or of a thousand, which come up in turn. */
const FLEET = 5_000;
const CLASSES = 1_000;

export const measure: Measure = {
  id: 12,
  name: 'cost per assignment, 100 → 50,000 sessions; 1 → 1,000 classes',
  inQuick: false,
  run: async (bench) => {
    const many = bench.quick ? MANY / 10 : MANY;
    const sessions = await compare(bench, { sessions: FEW, classes: 1 }, { sessions: many, classes: 1 });
    const classes = await compare(bench, { sessions: FLEET, classes: 1 }, { sessions: FLEET, classes: CLASSES });
    const between = await sweep(
      bench,
      [FEW * 10, FEW * 100].filter((count) => count < many),
    );
    return {
      ...compared(sessions, ms),
      more: {
        sessions: many,
        classesRatio: classes.ratio,
        classesMust: CLASSES_MUST,
        classesBaselineMs: classes.baseline,
        classesSystemMs: classes.system,
      },
      must: '≤ 1.2; ≤ 2',
      aim: '1.05; 1.3',
      verdict: worst([
        judge(sessions.ratio, { must: MUST, better: 'lower' }, sessions.baselineSpread),
        judge(classes.ratio, { must: CLASSES_MUST, better: 'lower' }, classes.baselineSpread),
      ]),
      plot: {
        title: 'Cost of an assignment by the number of bots that wait',
        x: 'bot sessions',
        y: 'ms',
        points: [[FEW, sessions.baseline], ...between, [many, sessions.system]],
      },
    };
  },
};

type Size = { readonly sessions: number; readonly classes: number };

const nameOf = ({ sessions, classes }: Size): string => `parked_${sessions}_${classes}`;

const compare = async (bench: Bench, small: Size, big: Size): Promise<Pairs> => {
  const opened: Parked[] = [];
  try {
    for (const size of [small, big]) opened.push(await openParked(bench, { ...size, name: nameOf(size) }));
    const [before, after] = opened;
    if (before === undefined || after === undefined) throw new Error('two were opened');
    const seconds = runSeconds(bench);
    return await comparePairs({
      pairs: bench.pairs,
      baseline: () => before.msPerJob(seconds),
      system: () => after.msPerJob(seconds),
    });
  } finally {
    for (const each of opened) await each.close();
  }
};

/** One run each, for the plot alone. */
const sweep = async (bench: Bench, counts: readonly number[]): Promise<(readonly [number, number])[]> => {
  const points: (readonly [number, number])[] = [];
  for (const sessions of counts) {
    const size = { sessions, classes: 1 };
    const parked = await openParked(bench, { ...size, name: nameOf(size) });
    points.push([sessions, await parked.msPerJob(runSeconds(bench)).finally(() => parked.close())]);
  }
  return points;
};
