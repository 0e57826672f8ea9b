/** A summary for people. */
import { type Cell, NONE, printFacts, printTable } from '../print.ts';
import type { Terminal } from '../terminal.ts';
import { stageMeanings, stages } from './figures.ts';
import type { Summary } from './summary.ts';

const msCell = (ms: number | null): string => (ms === null ? NONE : ms.toFixed(ms < 100 ? 2 : 0));

export const printSummary = (terminal: Terminal, summary: Summary): void => {
  printFacts(terminal, factsOf(summary));
  terminal.print('');
  const rows = stages.map((stage): readonly Cell[] => {
    const { n, p50, p90, p99, p999, max } = summary.latencyMs[stage];
    return [stage, n, ...[p50, p90, p99, p999, max].map(msCell), stageMeanings[stage]];
  });
  printTable(terminal, ['MS', 'N', 'P50', 'P90', 'P99', 'P99.9', 'MAX', 'FROM → TO'], rows);
  if (summary.errors.length > 0) {
    terminal.print('');
    printTable(
      terminal,
      ['FAILED CALLS', 'ANSWER', 'N'],
      summary.errors.map(({ verb, answer, count }) => [verb, answer, count]),
    );
  }
  if (summary.notes.length + summary.wrong.length > 0) terminal.print('');
  for (const note of summary.notes) terminal.print(`Note: ${note}`);
  for (const wrong of summary.wrong) terminal.print(`WRONG: ${wrong}`);
};

const factsOf = ({
  run,
  ending,
  plan,
  jobs,
  rate,
  seconds,
  generator,
  calls,
}: Summary): readonly (readonly [string, Cell])[] => [
  ['Run', `${run}, ${ending}`],
  [
    'Load',
    `${String(plan.bots)} bots, ${plan.shape} at ${String(plan.ratePerSecond)} jobs/s, each ${String(plan.runMs)} ms`,
  ],
  ['Time', `${seconds.submitting.toFixed(1)} s submitting, ${seconds.working.toFixed(1)} s to the last end`],
  ['Rate', `${rate.enqueued.toFixed(1)} jobs/s enqueued, ${rate.finished.toFixed(1)} jobs/s finished`],
  ['Jobs', jobsWords(jobs)],
  ['Lost', jobs.lost],
  ['Duplicates', jobs.duplicates],
  ...(calls === null ? [] : ([['Bridge', `${calls.behindSeconds.toFixed(1)} s behind the last job`]] as const)),
  ['Generator', `${(generator.busyShare * 100).toFixed(0)} % busy`],
];

const jobsWords = (jobs: Summary['jobs']): string => {
  const { sent, enqueued, finished, failed, cancelled, unfinished, refused, repeated, unanswered } = jobs;
  const sometimes = Object.entries({ failed, cancelled, unfinished, refused, repeated, unanswered });
  const counted = sometimes.filter(([, n]) => n > 0).map(([what, n]) => `${String(n)} ${what}`);
  return [`${String(sent)} sent`, `${String(enqueued)} enqueued`, `${String(finished)} finished`, ...counted].join(
    ', ',
  );
};
