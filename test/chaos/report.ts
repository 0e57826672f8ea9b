/** What a run found: an object for programs, a table for eyes, and an exit code. */
import { printTable } from '../../src/cli/print.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import type { Evidence, RunOptions, RunResult } from './evidence.ts';
import * as judge from './judge.ts';

export const exitCodes = { held: 0, broken: 1, usage: 2, provedNothing: 3 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const checks = {
  completionsLost: { what: 'acknowledged completions lost', find: judge.completionsLost },
  jobsLost: { what: 'acknowledged jobs lost, doubled or not ended', find: judge.jobsLost },
  appliedTwice: { what: 'applied twice', find: judge.appliedTwice },
  callsLost: { what: 'calls lost', find: judge.callsLost },
  orderViolations: { what: 'order violations', find: judge.orderViolations },
  duplicatesBeyond: { what: 'duplicates beyond journalled ambiguous', find: judge.duplicatesBeyond },
  expiriesOfOurs: { what: 'bots lost by an outage of ours', find: judge.expiriesOfOurs },
  runsOverlapping: { what: 'two runs on one DUT at once', find: judge.runsOverlapping },
  faults: { what: 'uncaught exceptions, error lines, strange ends', find: ({ faults }: Evidence) => faults },
  doctor: {
    what: "doctor's findings",
    find: ({ records }: Evidence) =>
      records.findings.map(({ invariant, words, what }) => `${invariant}: ${words} (${what})`),
  },
  notDrained: {
    what: 'not drained in time',
    find: ({ drained }: Evidence) => (drained.ms === null ? [drained.left] : []),
  },
} as const;
type Check = keyof typeof checks;

const WORDS_MAX = 20;

export interface Report {
  readonly seed: number;
  readonly seconds: number;
  readonly bots: number;
  readonly replicas: number;
  readonly disturbances: RunResult['disturbances'];
  readonly jobs: number;
  readonly leases: number;
  readonly completionsAcknowledged: number;
  readonly resultsAcknowledged: number;
  readonly calls: number;
  /** Of the calls, those that the farm could not know to be taken, and those that in truth came again. */
  readonly ambiguousSends: number;
  readonly repeats: number;
  readonly fencedZombies: number;
  readonly fencedWrites: Readonly<Record<string, number>>;
  readonly drainedSeconds: number | null;
  /** Of the machine, at the worst: how many processes wanted each of its processors. */
  readonly loadPerCore: number;
  /** How often each of what must not happen did. */
  readonly wrong: Readonly<Record<Check, number>>;
  /** The first of each, in words. */
  readonly words: Readonly<Partial<Record<Check, readonly string[]>>>;
  readonly exitCode: ExitCode;
}

export function reportOf({ evidence, disturbances }: RunResult, options: RunOptions): Report {
  const { seed, seconds, bots, replicas } = options;
  const { records, journal, hosts, fencedWrites, drained } = evidence;
  const found = (Object.keys(checks) as Check[]).map((check) => [check, checks[check].find(evidence)] as const);
  const facts = hosts.flatMap((host) => host.facts);
  const fencedZombies = judge.zombiesFenced(evidence).length;
  const isBroken = found.some(([, words]) => words.length > 0);
  return {
    ...{ seed, seconds, bots, replicas, disturbances },
    jobs: records.jobs.length,
    leases: records.leases.length,
    completionsAcknowledged: facts.filter((fact) => fact.kind === 'completed' && fact.shown === 'ABSENT').length,
    resultsAcknowledged: facts.reduce(
      (sum, fact) => sum + (fact.kind === 'reported' && !fact.fenced ? fact.results.length : 0),
      0,
    ),
    calls: records.calls.length,
    ambiguousSends: records.calls.reduce((sum, call) => sum + judge.ambiguousOf(call), 0),
    repeats: journal.filter(({ outcome }) => outcome === 'repeated').length,
    fencedZombies,
    fencedWrites,
    drainedSeconds: drained.ms === null ? null : Math.round(drained.ms / 100) / 10,
    loadPerCore: Math.round(evidence.loadPerCore * 10) / 10,
    wrong: Object.fromEntries(found.map(([check, words]) => [check, words.length])) as Report['wrong'],
    words: Object.fromEntries(
      found.flatMap(([check, words]) => (words.length === 0 ? [] : [[check, words.slice(0, WORDS_MAX)]])),
    ),
    exitCode: isBroken ? exitCodes.broken : fencedZombies === 0 ? exitCodes.provedNothing : exitCodes.held,
  };
}

export function printReport(terminal: Terminal, report: Report): void {
  const { disturbances, wrong, words } = report;
  printTable(terminal, ['DISTURBED BY', 'TIMES'], Object.entries(disturbances));
  terminal.print('');
  printTable(
    terminal,
    ['WHAT WENT THROUGH', ''],
    [
      ['jobs', report.jobs],
      ['leases', report.leases],
      ['completions acknowledged', report.completionsAcknowledged],
      ['results acknowledged on the way', report.resultsAcknowledged],
      ['shopfloor calls', report.calls],
      ['ambiguous sends', report.ambiguousSends],
      ['calls that came again', report.repeats],
      ['writes fenced', Object.values(report.fencedWrites).reduce((sum, n) => sum + n, 0)],
      ['zombies fenced', report.fencedZombies],
      ['load of each processor', report.loadPerCore],
      ['drained in', report.drainedSeconds === null ? 'not' : `${report.drainedSeconds} s`],
    ],
  );
  terminal.print('');
  const rows = (Object.keys(checks) as Check[]).map((check) => [checks[check].what, wrong[check]] as const);
  printTable(terminal, ['WHAT MUST NOT HAPPEN', 'TIMES'], rows);
  for (const [check, found] of Object.entries(words)) {
    for (const one of found) terminal.print(`WRONG: ${check}: ${one}`);
  }
  if (report.exitCode === exitCodes.provedNothing) {
    terminal.print(
      'No zombie had to be fenced, so the run proved nothing: let it run for longer, or with another seed.',
    );
  }
}
