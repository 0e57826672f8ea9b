/** `stationgrid demo`: the main job for real and in plain sight. Ends by itself; exit code 0 only if nothing went wrong. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobsService, JobState, type Job } from '../gen/stationgrid/v1/jobs.ts';
import { type Call, CallState, ShopfloorService } from '../gen/stationgrid/v1/shopfloor.ts';
import { checkJournal } from '../reference-shopfloor/check-journal.ts';
import { readJournal } from '../reference-shopfloor/journal.ts';
import { processClock } from '../process-clock.ts';
import { type FarmDoor, readPages, withFarm } from './connect.ts';
import { configText, INSTANCE, MLB_SERIAL, requestsOf, stations, unitsAtBot, unitsOf } from './demo/line.ts';
import { type Running, start, stop } from './demo/processes.ts';
import { type Summary, summarise, summaryRows } from './demo/summary.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printTable } from './print.ts';
import { startProgress } from './progress.ts';
import { processTerminal, type Terminal } from './terminal.ts';

export type DemoOptions = { readonly bots: number; readonly units: number; readonly json: boolean };

/** The demo gives up after this, and says what it was waiting for: it grows with the work of each bot. */
const PATIENCE_MS = 45_000;
const PATIENCE_PER_JOB_MS = 4_000;
const LOOK_MS = 250;
const STOP_MS = 10_000;

export const runDemo = async (options: DemoOptions): Promise<ExitCode> => {
  const terminal = processTerminal(process);
  const folder = await mkdtemp(join(tmpdir(), 'stationgrid-demo-'));
  const processes: Running[] = [];
  // The latest first: bots say goodbye to a farm that still answers, the farm tells a shopfloor that still hears.
  const stopAll = async (): Promise<readonly string[]> => {
    const wrong: string[] = [];
    const running = processes.splice(0);
    for (const group of [running.filter(isBot), ...running.filter((one) => !isBot(one)).map((one) => [one])]) {
      const endings = await Promise.all(group.map(async (one) => ({ name: one.name, how: await stop(one, STOP_MS) })));
      wrong.push(...endings.flatMap(({ name, how }) => (how === 0 ? [] : [`${name} ended with ${String(how)}`])));
    }
    return wrong;
  };
  // Ctrl-C reaches every process of the terminal; those of the demo are asked once more and waited for.
  const interrupted = (): void => void stopAll().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const summary = await demonstrate(terminal, options, { folder, processes, stopAll });
    report(terminal, summary, options.json);
    if (summary.wrong.length === 0) await rm(folder, { recursive: true, force: true });
    else terminal.say(`What the processes logged is kept in ${folder}.`);
    return summary.wrong.length === 0 ? EXIT.ok : EXIT.workFailed;
  } catch (error) {
    await stopAll();
    terminal.say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
    terminal.say(`What the processes logged is kept in ${folder}.`);
    return EXIT.workFailed;
  }
};

const BOT_NAME = 'dut-host-';
const isBot = ({ name }: Running): boolean => name.startsWith(BOT_NAME);

type Stage = {
  readonly folder: string;
  readonly processes: Running[];
  readonly stopAll: () => Promise<readonly string[]>;
};

const demonstrate = async (terminal: Terminal, options: DemoOptions, stage: Stage): Promise<Summary> => {
  const startedMs = processClock.monotonicMs();
  const { folder, processes } = stage;
  const launch = (name: string, words: readonly string[]): Running => {
    const running = start(name, words, join(folder, `${name}.log`));
    processes.unshift(running);
    return running;
  };
  const journalPath = join(folder, 'journal.jsonl');
  const shopfloor = launch('shopfloor', ['shopfloor', '--port', '0', '--journal', journalPath]);
  const [shopfloorUrl] = await shopfloor.said(/^http:\S+/);
  const config = join(folder, 'line.yaml');
  await writeFile(config, configText(shopfloorUrl));
  const serveWords = [
    '--config',
    config,
    '--data',
    join(folder, 'data'),
    '--grpc',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
  ];
  const farm = launch('farm', ['serve', ...serveWords, '--log-format', 'json']);
  const [, server = ''] = await farm.said(/^gRPC (\S+)/);
  const [, http = ''] = await farm.said(/^HTTP (\S+)/);
  terminal.say(`The farm's HTTP door: ${http} (metrics at ${http}metrics); the shopfloor: ${shopfloorUrl}`);
  const units = unitsOf(options.units);
  for (let bot = 0; bot < options.bots; bot += 1) {
    const own = unitsAtBot(units, bot, options.bots);
    const [first, ...more] = own.map(({ mlb }) => `${MLB_SERIAL.replace('serials.', '')}=${mlb}`);
    const duts = [
      ...(first === undefined ? [] : ['--serial', first]),
      ...more.flatMap((serial, index) => ['--device', `dut-${String(index + 2)}:${serial}`]),
    ];
    const id = `${BOT_NAME}${String(bot + 1)}`;
    launch(id, ['bot', '--server', server, '--instance', INSTANCE, '--bot-id', id, '--simulate', 'demo', ...duts]);
  }
  return withFarm({ server, instance: INSTANCE, output: 'json' }, async (door) => {
    for (const unit of units) await door.ask(JobsService.batchEnqueueJobs, { requests: requestsOf(unit) });
    await follow(terminal, door, options);
    const jobs = await readJobs(door);
    const calls = await readCalls(door);
    const doctor = await askDoctor(folder, config);
    const unclean = await stage.stopAll();
    const journal = await readJournal(journalPath);
    const seconds = Math.round((processClock.monotonicMs() - startedMs) / 100) / 10;
    const { bots } = options;
    const check = checkJournal(journal);
    return summarise({ bots, units: options.units, jobs, calls, journal, check, doctor, seconds, unclean });
  });
};

/** Shows how far the work is, until every job has ended and every owed call is settled. */
const follow = async (terminal: Terminal, door: FarmDoor, options: DemoOptions): Promise<void> => {
  const expected = options.units * stations.length;
  const giveUpMs = processClock.monotonicMs() + PATIENCE_MS + (PATIENCE_PER_JOB_MS * expected) / options.bots;
  const progress = startProgress(terminal, { total: expected, what: 'units × stations' });
  let said = '';
  for (;;) {
    const jobs = await readJobs(door);
    const calls = await readCalls(door);
    const ended = jobs.filter(({ state }) => isEnded(state)).length;
    const delivered = calls.filter(({ state }) => state === CallState.DELIVERED).length;
    const working = new Set(jobs.filter(({ state }) => state === JobState.LEASED).map(({ botId }) => botId)).size;
    const words = `bots at work ${String(working)}/${String(options.bots)}, calls delivered ${String(delivered)}/${String(calls.length)}`;
    progress.show(ended, words);
    const line = `units × stations ${String(ended)}/${String(expected)}, ${words}`;
    if (terminal.progress === null && line !== said) terminal.say(line);
    said = line;
    if (ended === expected && delivered === calls.length) break;
    if (processClock.monotonicMs() > giveUpMs) {
      progress.end();
      throw new Error(`it took too long; at the end: ${line}`);
    }
    await processClock.sleep(LOOK_MS);
  }
  progress.end();
};

const isEnded = (state: Job['state']): boolean =>
  state === JobState.FINISHED || state === JobState.JOB_FAILED || state === JobState.CANCELLED;

const readJobs = async (door: FarmDoor): Promise<readonly Job[]> => {
  const request = { instance: INSTANCE, states: [], station: '', route: '', serial: '' };
  const pages = await readPages(
    0,
    (page) => door.ask(JobsService.listJobs, { ...request, ...page }),
    (reply) => reply.jobs,
  );
  return pages.entries;
};

const readCalls = async (door: FarmDoor): Promise<readonly Call[]> => {
  const request = { instance: INSTANCE, states: [], serial: '', jobId: 0n };
  const pages = await readPages(
    0,
    (page) => door.ask(ShopfloorService.listCalls, { ...request, ...page }),
    (reply) => reply.calls,
  );
  return pages.entries;
};

/** The same command that an SRE runs. */
const askDoctor = async (folder: string, config: string): Promise<readonly unknown[]> => {
  const words = ['db', 'doctor', '--config', config, '--data', join(folder, 'data'), '-o', 'json'];
  const doctor = start('doctor', words, join(folder, 'doctor.log'));
  const lines: string[] = [];
  doctor.child.stdout.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  const how = await doctor.ended;
  if (how !== EXIT.ok && how !== EXIT.workFailed) throw new Error(`the doctor ended with ${String(how)}`);
  const findings: unknown = JSON.parse(lines.join(''));
  return toList(findings);
};

const toList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

const report = (terminal: Terminal, summary: Summary, json: boolean): void => {
  if (json) {
    terminal.print(JSON.stringify(summary));
    for (const wrong of summary.wrong) terminal.say(wrong);
    return;
  }
  printTable(terminal, ['UNIT', ...stations.map(({ name }) => name)], summaryRows(summary));
  const { calls, lost } = summary;
  terminal.print('');
  terminal.print(
    `jobs finished: ${String(summary.finished)} (passed ${String(summary.passed)}, failed ${String(summary.failed)})`,
  );
  terminal.print(
    `calls owed: ${String(calls.owed)}, delivered: ${String(calls.delivered)}, re-sent: ${String(calls.resent)}`,
  );
  terminal.print(
    `lost: ${String(lost)}, out of order: ${String(calls.outOfOrder)}, doctor's findings: ${String(summary.doctor.length)}`,
  );
  terminal.print(`took ${summary.seconds.toFixed(1)} s`);
  for (const wrong of summary.wrong) terminal.print(`WRONG: ${wrong}`);
};
