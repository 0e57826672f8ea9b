/** `stationgrid shopfloor check URL`: is a partner's service right? */
import { randomUUID } from 'node:crypto';
import { toShopfloorUrl } from '../core/shopfloor-url.ts';
import { withoutCredentials } from '../core/secret.ts';
import { processClock } from '../process-clock.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { printJson, printTable } from './print.ts';
import { startProgress } from './progress.ts';
import { checks, type Judged, OUT_OF_TIME, runChecks } from './shopfloor-check/run-checks.ts';
import { openPartner } from './shopfloor-check/partner.ts';
import { stopSignals } from './stop-signals.ts';
import { tellProblem } from './tell-problem.ts';
import type { Terminal } from './terminal.ts';

export type CheckShopfloorOptions = {
  readonly output: 'table' | 'json';
  readonly serial?: Readonly<Record<string, string>>;
  readonly station: string;
  /** Milliseconds. */
  readonly slow: number;
  /** Of the whole run, in milliseconds. */
  readonly timeout: number;
  readonly strict?: true;
};

/** Whether the operand of `shopfloor check` is an address rather than the file of a journal. */
export const isAddress = (operand: string): boolean => /^((xmlrpc|jsonrpc|json|wsdl):)*https?:/i.test(operand);

export const checkShopfloor = async (
  terminal: Terminal,
  address: string,
  options: CheckShopfloorOptions,
): Promise<ExitCode> => {
  const target = toShopfloorUrl(address);
  if (target.kind === 'unsupported') throw new Failure(EXIT.usage, target.why);
  const shownAddress = withoutCredentials(address);
  const serials = options.serial ?? { 'serials.mlb_serial_number': `STATIONGRID-CHECK-${randomUUID().slice(0, 8)}` };
  const [time, interrupted] = [new AbortController(), stopSignals()];
  const partner = openPartner({
    ...{ address, clock: processClock, newId: randomUUID, unit: serials },
    ...{ station: options.station, slowMs: options.slow, signal: AbortSignal.any([time.signal, interrupted]) },
  });
  if (options.output === 'table') terminal.say(`Asking ${shownAddress} about ${Object.values(serials).join(', ')}.`);
  void processClock.sleep(options.timeout, partner.signal).then(() => time.abort());
  const progress = startProgress(terminal, { total: checks.length, what: 'Checks' });
  const judged = await runChecks(partner, (done, { id }) => progress.show(done, id));
  progress.show(checks.length, '');
  progress.end();
  const wasInterrupted = interrupted.aborted;
  time.abort();

  const [first] = partner.heard;
  if (first?.exchange.kind === 'refused' && !wasInterrupted) {
    throw new Failure(
      EXIT.unreachable,
      `no shopfloor answers at ${shownAddress}: ${first.exchange.why}`,
      'Start it, and check host, port and firewall.',
    );
  }
  show(terminal, judged, { ...options, address: shownAddress, serials });
  return wasInterrupted ? EXIT.interrupted : exitCodeOf(judged, options.strict === true);
};

const exitCodeOf = (judged: readonly Judged[], isStrict: boolean): ExitCode => {
  const counts = judged.some(({ check, finding }) => finding.kind === 'failed' && (isStrict || check.level === 'must'));
  if (counts) return EXIT.workFailed;
  return judged.some(({ finding }) => finding.saw === OUT_OF_TIME) ? EXIT.gaveUp : EXIT.ok;
};

type Shown = Pick<CheckShopfloorOptions, 'output'> & {
  readonly address: string;
  readonly serials: Readonly<Record<string, string>>;
};

const show = (terminal: Terminal, judged: readonly Judged[], { output, address, serials }: Shown): void => {
  const count = (kind: string): number => judged.filter(({ finding }) => finding.kind === kind).length;
  if (output === 'json') {
    const { passed, failed, skipped } = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
    printJson(terminal, { url: address, serials, passed, failed, skipped, checks: judged.map(toEntry) });
    return;
  }
  printTable(terminal, ['CHECK', 'LEVEL', 'VERDICT', 'MS', 'SAW'], judged.map(toRow));
  for (const { check, finding } of judged) {
    if (finding.kind !== 'failed') continue;
    tellProblem(terminal, check, finding.saw);
  }
  terminal.print('');
  terminal.print(
    `${String(count('passed'))} passed, ${String(count('failed'))} failed, ${String(count('skipped'))} skipped.`,
  );
};

const toEntry = ({ check, finding, ms }: Judged) => ({
  ...{ id: check.id, level: check.level, verdict: finding.kind, saw: finding.saw, ms: Math.round(ms) },
  ...{ what: check.what, why: check.why, mend: check.mend },
});

const SAW_CHARACTERS_MAX = 60;

const toRow = ({ check, finding, ms }: Judged): readonly string[] => {
  const saw = finding.saw ?? '';
  const short = saw.length > SAW_CHARACTERS_MAX ? `${saw.slice(0, SAW_CHARACTERS_MAX)}…` : saw;
  const verdict = finding.kind === 'failed' ? 'FAILED' : finding.kind;
  return [check.id, check.level, verdict, ms.toFixed(0), short];
};
