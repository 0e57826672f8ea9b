/**
 * A whole farm from outside: real processes of the real command, at addresses that stay, so that any of them can be killed
 * and started again where it was. Nothing here reaches into a process.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { vi } from 'vitest';
import { type Running, start as startCommand } from '../../src/cli/demo/processes.ts';
import { type JournalLine, readJournal } from '../../src/reference-shopfloor/journal.ts';
import type { ControlCommand } from '../../src/reference-shopfloor/control.ts';
import { type Finding, runDoctor } from '../../src/store/doctor.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { socketUrl } from '../../src/store/embedded/connect.ts';
import { embeddedFolder, findSocketFolder } from '../../src/store/embedded/folder.ts';
import { DATABASE, OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { readPostmasterPid, stopPostmaster } from '../../src/store/embedded/postmaster.ts';

/** Longer than anything takes on a slow and busy machine; what waits this long hangs. */
export const PATIENCE_MS = 45_000;
const LOOK_MS = 50;

/** Looks again and again until the check no longer throws, and gives what it gave. */
export const eventually = <T>(check: () => T | Promise<T>, patienceMs = PATIENCE_MS, lookMs = LOOK_MS): Promise<T> =>
  vi.waitFor(check, { timeout: patienceMs, interval: lookMs });

/** A process with a name and an address that outlive its deaths. */
export interface Standing {
  /** Resolves when it is ready. */
  readonly start: () => Promise<void>;
  /** kill -9, and dead. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; its exit code, or the signal that it died of. */
  readonly stop: () => Promise<number | string>;
  readonly send: (signal: NodeJS.Signals) => void;
  /** How the process that was started last ended, once it has: for one that refuses to start. */
  readonly ended: () => Promise<number | string>;
  /** What it has written to standard error so far. */
  readonly log: () => string;
}

export interface StandingFarm extends Standing {
  /** Of its gRPC door. */
  readonly address: string;
  /** Of its HTTP door, without a slash at the end. */
  readonly httpUrl: string;
  /** Polls that wait for work of this instance, by the farm's own metrics. */
  readonly parkedPolls: (instance: string) => Promise<number>;
}

export interface SiteOptions {
  /** The configuration's `lines`. */
  readonly lines: (shopfloorUrl: string) => readonly object[];
  /** Configuration of all farms of the site, as `--set` takes it. */
  readonly set?: readonly string[];
  /** The folder in which the site makes its own; the system's for temporary things by default. */
  readonly within?: string;
}

export interface FarmOptions {
  readonly set?: readonly string[];
  /** The address of its factory door; it has none where this is absent. */
  readonly factory?: string;
  /** The configuration's `lines`, where they are not the site's. */
  readonly lines?: readonly object[];
  /** The `stationgrid` of another version; this one's where absent. */
  readonly command?: string;
}

/** Short clocks, so that what is waited for comes soon. They fit each other (src/config/check.ts). */
const SHORT_CLOCKS = [
  'limits.replica.tick=500ms',
  'limits.replica.amnestyAfter=3s',
  'limits.lanes.lease=3s',
  'limits.lanes.poll=500ms',
  'limits.lanes.backoffMin=100ms',
  'limits.lanes.backoffMax=500ms',
  'limits.calls.timeout=2s',
  'limits.breaker.open=500ms',
];

export type Site = Awaited<ReturnType<typeof openSite>>;

export async function openSite(options: SiteOptions) {
  // Named as the run's own server is: the next run clears away what a killed one left behind.
  const folder = mkdtempSync(join(options.within ?? tmpdir(), `stationgrid-test-${process.pid}-e2e-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const journalPath = join(folder, 'journal.jsonl');
  const configPath = join(folder, 'line.yaml');
  const shopfloorPort = await freePort();
  const shopfloorUrl = `http://127.0.0.1:${shopfloorPort}/`;
  // JSON is YAML.
  writeFileSync(configPath, JSON.stringify({ lines: options.lines(shopfloorUrl) }));
  const running = new Set<Running>();
  const postgres = embeddedFolder(folder);

  const stand = (
    name: string,
    words: readonly string[],
    isReady: (started: Running) => Promise<void>,
    command?: string,
  ): Standing => {
    const logPath = join(folder, `${name}.log`);
    let current: Running | null = null;
    const alive = (): Running => {
      if (current === null) throw new Error(`${name} does not run`);
      return current;
    };
    const end = async (signal: NodeJS.Signals): Promise<number | string> => {
      const ending = alive();
      ending.child.kill(signal);
      const how = await ending.ended;
      running.delete(ending);
      if (current === ending) current = null;
      return how;
    };
    const log = (): string => readFileSync(logPath, 'utf8');
    return {
      start: async () => {
        current = startCommand(name, words, logPath, command);
        running.add(current);
        await isReady(current).catch((cause: unknown) => {
          throw new Error(`${name} did not become ready:\n${log()}`, { cause });
        });
      },
      kill: async () => {
        await end('SIGKILL');
      },
      stop: () => end('SIGTERM'),
      send: (signal) => void alive().child.kill(signal),
      ended: () => alive().ended,
      log,
    };
  };

  /** A replica; all farms of a site share its data directory. */
  const farm = async (
    name = 'farm',
    { set = [], factory, lines, command }: FarmOptions = {},
  ): Promise<StandingFarm> => {
    const [address, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const settings = [...SHORT_CLOCKS, ...(options.set ?? []), ...set].flatMap((setting) => ['--set', setting]);
    const doors = ['--grpc', address, '--http', http, '--log-format', 'json'];
    const dutDoor = factory === undefined ? [] : ['--factory', factory];
    const ownConfigPath = lines === undefined ? configPath : join(folder, `${name}.yaml`);
    if (lines !== undefined) writeFileSync(ownConfigPath, JSON.stringify({ lines }));
    const words = ['serve', '--config', ownConfigPath, '--data', folder, ...doors, ...dutDoor, ...settings];
    const httpUrl = `http://${http}`;
    const isReady = async (started: Running): Promise<void> => {
      await started.said(/^HTTP /);
      await eventually(async () => {
        const { status } = await fetch(`${httpUrl}/readyz`);
        if (status !== 200) throw new Error(`/readyz answers ${status}`);
      });
    };
    const standing = stand(name, words, isReady, command);
    const parkedPolls = async (instance: string): Promise<number> => {
      const page = await (await fetch(`${httpUrl}/metrics`)).text();
      const sample = page
        .split('\n')
        .find((line) => line.startsWith(`stationgrid_polls_parked{instance="${instance}"} `));
      return Number(sample?.split(' ').at(-1));
    };
    return { ...standing, address, httpUrl, parkedPolls };
  };

  const socketFolder = (): string => {
    const found = findSocketFolder(postgres);
    if (found === null) throw new Error(`there is no PostgreSQL in ${folder}`);
    return found;
  };

  const databaseAs = async <T>(user: string, use: (db: pg.Client) => Promise<T>): Promise<T> => {
    const db = new pg.Client(socketUrl(socketFolder(), { user, database: DATABASE }));
    db.on('error', () => undefined);
    await db.connect();
    return use(db).finally(() => db.end());
  };
  const database = <T>(use: (db: pg.Client) => Promise<T>): Promise<T> => databaseAs(OWNER_ROLE, use);

  /** Whatever still runs is killed. */
  const close = async (): Promise<void> => {
    for (const one of running) one.child.kill('SIGKILL');
    await Promise.all([...running].map(({ ended }) => ended));
    const pid = stopPostmaster(postgres);
    if (pid !== null) await eventually(() => expectGone(readPostmasterPid(postgres)));
    // It lies elsewhere where the site's own path is too long for a socket's.
    const socketsLieIn = findSocketFolder(postgres);
    if (socketsLieIn !== null) rmSync(socketsLieIn, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };

  return {
    folder,
    shopfloorUrl,
    farm,
    bot: (
      botId: string,
      { address }: Pick<StandingFarm, 'address'>,
      words: readonly string[],
      command?: string,
    ): Standing =>
      stand(
        botId,
        ['bot', '--server', address, '--bot-id', botId, '--simulate', 'e2e', '--log-format', 'json', ...words],
        () => Promise.resolve(),
        command,
      ),
    shopfloor: (words: readonly string[] = []): Standing =>
      stand(
        'shopfloor',
        ['shopfloor', '--port', String(shopfloorPort), '--journal', journalPath, ...words],
        async (started) => {
          await started.said(/^http:/);
        },
      ),
    /** Changes what the reference shopfloor does, while it runs. */
    command: async (command: ControlCommand): Promise<void> => {
      const answer = await fetch(`${shopfloorUrl}control`, { method: 'POST', body: JSON.stringify(command) });
      if (answer.status !== 200) throw new Error(await answer.text());
    },
    /** What the shopfloor has seen, in its own order. */
    journal: (): Promise<readonly JournalLine[]> => readJournal(journalPath),
    database,
    /** For what only the server's own superuser may. */
    superuser: <T>(use: (db: pg.Client) => Promise<T>): Promise<T> => databaseAs(SUPERUSER, use),
    /** Where the embedded PostgreSQL's socket is. */
    socketFolder,
    doctor: (): Promise<readonly Finding[]> => database((db) => runDoctor(db)),
    /** The embedded PostgreSQL's own process. */
    postmasterPid: (): number => {
      const pid = readPostmasterPid(postgres);
      if (pid === null) throw new Error('no PostgreSQL runs here');
      return pid;
    },
    close,
  };
}

function expectGone(pid: number | null): void {
  if (pid !== null) throw new Error(`PostgreSQL ${pid} still runs`);
}

/** Below the ports that systems give to outgoing connections: nobody takes one of these while its owner is dead. */
const PORT_MIN = 20_000;
const PORTS = 10_000;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * PORTS);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
