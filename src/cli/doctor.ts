/** `stationgrid doctor`: is this installation right, as seen from here? */
import type { Config, LoadedConfig } from '../config.ts';
import { processClock, sleepAside } from '../process-clock.ts';
import { type CredentialOptions, readCredentials, speaksTls, tlsOptionsOf } from './credentials.ts';
import { certificateChecks } from './doctor/certificates.ts';
import { type Check, fail, ok } from './doctor/check.ts';
import { databaseChecks } from './doctor/database.ts';
import { diskChecks } from './doctor/disks.ts';
import { nameChecks } from './doctor/names.ts';
import { partnerChecks } from './doctor/partners.ts';
import { portChecks } from './doctor/ports.ts';
import { type Judged, runChecks } from './doctor/run-checks.ts';
import { dialled, type Site, type Way } from './doctor/site.ts';
import { wayInChecks } from './doctor/way-in.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printJson, printTable } from './print.ts';
import { type Configured, loadedConfig } from './settings.ts';
import { tellProblem } from './tell-problem.ts';
import type { Terminal } from './terminal.ts';

export type DoctorOptions = Configured &
  CredentialOptions & {
    readonly server?: string;
    /** Of one check, in milliseconds. */
    readonly timeout: number;
    readonly strict?: true;
    readonly json?: true;
    readonly output: 'table' | 'json';
  };

/** What the system's resolver still waits for must not keep the command. */
const LEAVE_MS = 1_000;

export const examine = async (terminal: Terminal, options: DoctorOptions): Promise<ExitCode> => {
  const loaded = loadedConfig(terminal, options);
  const judged = await judge(loaded, options);
  show(terminal, judged, options);
  const counts = options.strict === true ? ['fail', 'warn'] : ['fail'];
  const exitCode = judged.some(({ finding }) => counts.includes(finding.kind)) ? EXIT.workFailed : EXIT.ok;
  void sleepAside(LEAVE_MS).then(() => process.exit(exitCode));
  return exitCode;
};

const judge = async (loaded: LoadedConfig, options: DoctorOptions): Promise<readonly Judged[]> => {
  const limits = { clock: processClock, boundMs: options.timeout };
  if (loaded.kind === 'bad') return runChecks([configurationCheck(loaded)], limits);
  const site: Site = { config: loaded.config, way: wayOf(loaded.config, options), clock: processClock };
  const database = databaseChecks(site);
  const wayIn = wayInChecks(site);
  const judged = await runChecks(
    [
      configurationCheck(loaded),
      ...nameChecks(site),
      ...certificateChecks(site),
      ...wayIn.checks,
      ...database.checks,
      ...portChecks(site, wayIn.looked),
      ...diskChecks(site),
      ...partnerChecks(site),
    ],
    limits,
  );
  await Promise.race([database.close(), sleepAside(LEAVE_MS)]);
  return judged;
};

const configurationCheck = (loaded: LoadedConfig): Check => ({
  id: 'configuration',
  what: 'File, environment and flags make a configuration that a farm starts with.',
  why: 'A farm ends with exit code 78 otherwise. Nothing else can be looked at before it is right.',
  mend: 'Each problem says how. `stationgrid config reference` tells every key, `config print` what is in force.',
  run: () => {
    if (loaded.kind === 'bad') return fail(loaded.problems.join('; '));
    const said = [...loaded.sources.values()];
    const count = (source: string): string => String(said.filter((each) => each === source).length);
    return ok(`${count('file')} keys by file, ${count('environment')} by environment, ${count('flag')} by flag`);
  },
});

/** To --server as any client would go; else to the door of the configuration, on this machine. */
const wayOf = (config: Config, options: DoctorOptions): Way => {
  const { token, ...files } = readCredentials(options);
  const ownTls = config.tls !== null && config.tls !== 'terminated-by-proxy';
  const { server } = options;
  return {
    by: server === undefined ? 'own' : 'named',
    address: server === undefined ? dialled(config.doors.grpc) : addressOf(server),
    tls: speaksTls(options) || (server === undefined && ownTls) ? tlsOptionsOf(files) : null,
    token,
  };
};

/** As the grammar has let it through: HOST:PORT, an IPv6 host in brackets. */
const addressOf = (server: string): Way['address'] => {
  const at = server.lastIndexOf(':');
  return { host: server.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(server.slice(at + 1)) };
};

const VERDICTS = { ok: 'ok', warn: 'WARN', fail: 'FAIL', skipped: 'skipped' } as const;
const SAW_CHARACTERS_MAX = 72;

const show = (terminal: Terminal, judged: readonly Judged[], options: DoctorOptions): void => {
  const count = (kind: string): number => judged.filter(({ finding }) => finding.kind === kind).length;
  const counts = { ok: count('ok'), warn: count('warn'), fail: count('fail'), skipped: count('skipped') };
  if (options.json === true || options.output === 'json') {
    printJson(terminal, { ...counts, checks: judged.map(toEntry) });
    return;
  }
  printTable(terminal, ['CHECK', 'VERDICT', 'MS', 'SAW'], judged.map(toRow));
  for (const { check, finding } of judged) {
    if (finding.kind !== 'fail' && finding.kind !== 'warn') continue;
    tellProblem(terminal, check, finding.saw);
  }
  terminal.print('');
  terminal.print(
    `${String(counts.ok)} ok, ${String(counts.warn)} to look at, ${String(counts.fail)} failed, ${String(counts.skipped)} skipped.`,
  );
};

const toEntry = ({ check: { id, what, why, mend }, finding, ms }: Judged) => ({
  ...{ id, verdict: finding.kind, saw: finding.saw, ms: Math.round(ms) },
  ...{ what, why, mend },
});

const toRow = ({ check, finding: { kind, saw }, ms }: Judged): readonly string[] => [
  check.id,
  VERDICTS[kind],
  ms.toFixed(0),
  saw.length > SAW_CHARACTERS_MAX ? `${saw.slice(0, SAW_CHARACTERS_MAX)}…` : saw,
];
