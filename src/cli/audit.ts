/** `stationgrid audit …`: asks the database itself, so that a farm that lies is not the one to vouch. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { verifyAudit } from '../farm/verify-audit.ts';
import { type AuditLine, readAuditLines } from '../store/audit.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { localTime, printJson, printTable } from './print.ts';
import type { Terminal } from './terminal.ts';
import { type DatabaseOptions, withDatabase } from './with-database.ts';

export type VerifyOptions = DatabaseOptions & { readonly against?: string };

export const verify = (terminal: Terminal, options: VerifyOptions): Promise<ExitCode> => {
  const against = options.against === undefined ? [] : readHeads(options.against);
  return withDatabase(terminal, options, 'expect', async (db) => {
    const verified = await verifyAudit(db, against);
    const { records, heads, findings } = verified;
    if (options.output === 'json') printJson(terminal, verified);
    else if (findings.length > 0) {
      printTable(
        terminal,
        ['CHAIN', 'RECORD', 'WHAT IS WRONG'],
        findings.map(({ replica, seq, words }) => [replica, seq, words]),
      );
    } else terminal.print(`The audit holds: ${counted(records, 'record')} in ${counted(heads.length, 'chain')}.`);
    if (findings.length === 0 && heads.some(({ stopped }) => !stopped) && options.output !== 'json') {
      terminal.say(
        'Chains without a stop are of replicas that live or were killed. Keep `--output json` of today in another ' +
          'place, and give it to --against: then nothing up to today can be cut off their ends unseen.',
      );
    }
    return findings.length === 0 ? EXIT.ok : EXIT.workFailed;
  });
};

const counted = (n: number, what: string): string => `${String(n)} ${what}${n === 1 ? '' : 's'}`;

const keptSchema = z.object({
  heads: z.array(z.object({ replica: z.uuid(), seq: z.int().min(1), hash: z.string().regex(/^[0-9a-f]{64}$/) })),
});

const readHeads = (file: string) => {
  try {
    return keptSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).heads;
  } catch (cause) {
    throw new Failure(
      EXIT.usage,
      `${file} does not hold the ends of chains`,
      'Give what `stationgrid audit verify --output json` printed.',
      { cause },
    );
  }
};

export type ListAuditOptions = DatabaseOptions & { readonly limit: number };

export const listAudit = (terminal: Terminal, options: ListAuditOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db) => {
    const lines = await readAuditLines(db, options.limit === 0 ? LIST_MAX : options.limit);
    if (options.output === 'json')
      printJson(
        terminal,
        lines.map(({ text, recordedAt }) => ({ ...toLoose(text), recordedAt })),
      );
    else {
      printTable(terminal, ['RECORDED', 'WHAT', 'WHO', 'VERB', 'INSTANCE', 'OBJECT', 'REASON'], lines.map(row));
    }
    return EXIT.ok;
  });

const LIST_MAX = 1_000_000;

const row = ({ recordedAt, seq, text }: AuditLine): readonly string[] => {
  const said = toLoose(text);
  const of = (name: string): string => (typeof said[name] === 'string' ? said[name] : '');
  const kind = of('kind');
  const what: Readonly<Record<string, string>> = {
    asked: `asked (${String(seq)})`,
    ended: `${of('outcome')} (${String(said['asked'])})`,
    denied: `denied ${String(said['count'])}×`,
  };
  return [
    localTime(recordedAt),
    what[kind] ?? kind,
    of('principal'),
    of('verb'),
    of('instance'),
    of('object'),
    kind === 'denied' ? of('why') : of('reason'),
  ];
};

/** Shown as it stands; `verify` says whether it may be believed. */
function toLoose(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : { text };
  } catch {
    return { text };
  }
}
