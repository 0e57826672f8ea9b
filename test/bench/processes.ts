/** The servers that are measured: real processes, each with the probe in it, alike on both sides of a comparison. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Usage } from './probe.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/stationgrid.mjs', import.meta.url));
const ECHO = fileURLToPath(new URL('./echo-server.ts', import.meta.url));
const SCRAPE = fileURLToPath(new URL('./scrape-server.ts', import.meta.url));
const BARE_HTTP = fileURLToPath(new URL('./http-server.ts', import.meta.url));
const PROBE = new URL('./probe.ts', import.meta.url).href;

/** A server's process, whichever it is. */
type Watched = {
  readonly pid: number;
  /** What it has used so far. */
  readonly usage: () => Promise<Usage>;
  /** The same, with its garbage collected first, so that memory is what it holds. Costs it time. */
  readonly held: () => Promise<Usage>;
  readonly send: (signal: NodeJS.Signals) => void;
  /** Its exit code, or the signal that it died of. */
  readonly ended: Promise<number | string>;
  readonly log: () => string;
  /** SIGTERM, and after a while SIGKILL; resolves when it is gone. */
  readonly stop: () => Promise<number | string>;
  readonly close: () => Promise<void>;
};

export type BareServer = Watched & {
  /** Of its gRPC door, `host:port`. */
  readonly address: string;
};
export type ServingProcess = BareServer & {
  /** Without a slash at the end. */
  readonly httpUrl: string;
};

export type ServeOptions = {
  readonly database: { readonly url: string; readonly ownerUrl: string };
  /** The configuration's `lines`; one, `line-1`, where any station goes, by default. */
  readonly lines?: readonly object[];
  /** As `--set` takes it. */
  readonly set?: readonly string[];
  readonly nodeFlags?: readonly string[];
  /** More words for `serve`. */
  readonly words?: readonly string[];
};

/** Polls that wait for work, by the farm's own metrics. */
export const parkedPolls = async ({ httpUrl }: ServingProcess): Promise<number> => {
  const page = await (await fetch(`${httpUrl}/metrics`)).text();
  const samples = page.split('\n').filter((line) => line.startsWith('stationgrid_polls_parked{'));
  return samples.reduce((sum, sample) => sum + Number(sample.split(' ').at(-1)), 0);
};

export type EchoOptions = {
  /** Whether it answers no UpdateBotSession but holds them all. */
  readonly holds?: boolean;
  readonly nodeFlags?: readonly string[];
};

let started = 0;

/** Where logs and profiles go; null: no profile is made. */
export type Place = { readonly folder: string; readonly profiles: string | null };

export const startServe = async (place: Place, options: ServeOptions): Promise<ServingProcess> => {
  const { database, lines = [{ instance: 'line-1' }], set = [], nodeFlags = [], words = [] } = options;
  started += 1;
  const name = `serve-${started}`;
  const configPath = join(place.folder, `${name}.yaml`);
  // JSON is YAML.
  const config = { databaseUrl: database.url, ownerDatabaseUrl: database.ownerUrl, lines };
  writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
  const doors = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0', '--log-format', 'json'];
  const settings = set.flatMap((setting) => ['--set', setting]);
  const script = [COMMAND, 'serve', '--config', configPath, '--data', place.folder, ...doors, ...settings, ...words];
  const server = watch(name, place, [...nodeFlags, ...script]);
  const address = await server.said(/^gRPC (\S+)/);
  const http = await server.said(/^HTTP (\S+)\/$/);
  return { ...server, address, httpUrl: http };
};

export const startEcho = async (place: Place, { holds = false, nodeFlags = [] }: EchoOptions): Promise<BareServer> => {
  started += 1;
  const server = watch(`echo-${started}`, place, [...nodeFlags, ECHO, ...(holds ? ['hold'] : [])]);
  return { ...server, address: await server.said(/^gRPC (\S+)/) };
};

/** Node's own HTTP server, which answers every call with the same bytes and keeps what is put there in a folder. */
export const startBareHttp = async (place: Place, answer: Buffer): Promise<BareHttpServer> => {
  started += 1;
  const name = `http-${started}`;
  const folder = join(place.folder, name);
  mkdirSync(folder);
  const server = watch(name, place, [BARE_HTTP, folder, answer.toString('base64')]);
  return { ...server, address: await server.said(/^HTTP (\S+)/) };
};

/** Its address is that of its HTTP door, `host:port`. */
export type BareHttpServer = Watched & { readonly address: string };

/** A replica's door for operations, with so many bots in its memory. */
export type ScrapeServer = Watched & { readonly url: string };

export const startScrape = async (place: Place, bots: number): Promise<ScrapeServer> => {
  started += 1;
  const server = watch(`scrape-${started}`, place, [SCRAPE, String(bots)]);
  return { ...server, url: await server.said(/^ops (\S+)/) };
};

const STOP_MAX_MS = 60_000;

const watch = (name: string, { folder, profiles }: Place, words: readonly string[]) => {
  const logPath = join(folder, `${name}.log`);
  const log = openSync(logPath, 'a');
  const flags =
    profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`];
  const child = spawn(process.execPath, ['--expose-gc', ...flags, '--import', PROBE, ...words], {
    stdio: ['ignore', 'pipe', log, 'ipc'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  closeSync(log);
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const readLog = (): string => readFileSync(logPath, 'utf8');
  const stop = async (): Promise<number | string> => {
    child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
    return ended.finally(() => clearTimeout(patience));
  };
  return {
    pid: child.pid ?? -1,
    usage: () => usageOf(child, 'usage'),
    held: () => usageOf(child, 'held'),
    send: (signal: NodeJS.Signals) => void child.kill(signal),
    ended,
    log: readLog,
    stop,
    close: async () => {
      await stop();
    },
    said: createReader(child, () => new Error(`${name} ended before it was ready:\n${readLog()}`)),
  };
};

/** Waits for a line of standard output, and gives what its pattern catches first. */
const createReader = (child: ChildProcess, gone: () => Error): ((pattern: RegExp) => Promise<string>) => {
  const lines: string[] = [];
  let tell = (): void => undefined;
  let isOver = false;
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      tell();
    });
  }
  child.once('close', () => {
    isOver = true;
    tell();
  });
  return (pattern) =>
    new Promise((resolve, reject) => {
      tell = () => {
        const found = lines.map((line) => pattern.exec(line)?.[1]).find((caught) => caught !== undefined);
        if (found !== undefined) resolve(found);
        else if (isOver) reject(gone());
      };
      tell();
    });
};

const usageOf = (child: ChildProcess, asked: 'usage' | 'held'): Promise<Usage> =>
  new Promise((resolve, reject) => {
    const lost = (): void => reject(new Error('the process ended while it was asked what it uses'));
    child.once('close', lost);
    child.once('message', (usage: Usage) => {
      child.off('close', lost);
      resolve(usage);
    });
    child.send(asked);
  });
