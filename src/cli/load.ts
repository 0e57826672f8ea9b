/** `stationgrid load`: bots and jobs that a farm cannot tell from real ones, and what it made of them. */
import { randomBytes } from 'node:crypto';
import { processClock } from '../process-clock.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { openConnections } from './load/connections.ts';
import { refuseRealWork } from './load/guard.ts';
import { type LoadOptions, planOf, warningsOf } from './load/plan.ts';
import { printSummary } from './load/report.ts';
import { runLoad } from './load/run-load.ts';
import { type Summary, summarise } from './load/summary.ts';
import { stopSignals } from './stop-signals.ts';
import type { Terminal } from './terminal.ts';

export const generateLoad = async (terminal: Terminal, options: LoadOptions): Promise<ExitCode> => {
  const plan = planOf(options, randomBytes(4).toString('hex'));
  const connections = openConnections(plan, options);
  try {
    if (options.besideOtherWork !== true) await refuseRealWork(connections, plan.instance);
    for (const warning of warningsOf(plan)) terminal.say(warning);
    const interrupted = stopSignals();
    const around = { connections, clock: processClock, random: Math.random, terminal, interrupted };
    const summary = summarise(plan, await runLoad(plan, around));
    if (options.json === true || options.output === 'json') terminal.print(JSON.stringify(summary));
    else printSummary(terminal, summary);
    return exitCodeOf(summary);
  } finally {
    connections.close();
  }
};

const exitCodeOf = ({ wrong, ending }: Summary): ExitCode => {
  if (wrong.length > 0) return EXIT.workFailed;
  return ending === 'interrupted' ? EXIT.interrupted : EXIT.ok;
};
