/** Sets the stage of a run: a folder, a PostgreSQL, a partner, replicas, hosts of bots and the network between them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import { type HostSpec } from './bot-host.ts';
import type { Chance } from './chance.ts';
import type { BotHost } from './disturb.ts';
import { boardsAt, botOf, INSTANCE, lineOf } from './line.ts';
import { createMember, type Member } from './members.ts';
import { openOwnPostgres, type OwnPostgres } from './postgres.ts';
import { type Balancer, type Replica, startBalancer } from './replicas.ts';
import { openWay } from './tcp-proxy.ts';
import { limitsOfChaos } from './times.ts';

const BOT_HOST = fileURLToPath(new URL('./bot-host.ts', import.meta.url));
/** Few bots are spread over as many hosts as many would be. */
const HOSTS_MIN = 5;
const BOTS_A_HOST_MAX = 10;
const NAME = /^stationgrid-chaos-(\d+)-/;
/** Below the ports that systems give to outgoing connections: nobody takes one of these while its owner is dead. */
const PORTS = { min: 31_000, max: 32_700 };

export interface Site {
  readonly folder: string;
  /** Where its logs, histories and journal are after it, if they are kept. */
  readonly keptFolder: string;
  readonly postgres: OwnPostgres;
  readonly partner: Member;
  readonly partnerUrl: string;
  readonly journalPath: string;
  readonly replicas: readonly Replica[];
  readonly balancer: Balancer;
  readonly hosts: readonly (BotHost & { readonly history: string })[];
  readonly members: readonly Member[];
  /** Kills what still runs, and leaves no trace but the logs, where they are wanted. */
  readonly remove: (keepsFolder: boolean) => Promise<void>;
}

export interface SiteOptions {
  readonly bots: number;
  readonly replicas: number;
  readonly seed: number;
  readonly chance: Chance;
  readonly say: (words: string) => void;
}

export async function openSite(options: SiteOptions): Promise<Site> {
  removeAbandoned();
  const folder = mkdtempSync(join(tmpdir(), `stationgrid-chaos-${process.pid}-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const logs = join(folder, 'logs');
  mkdirSync(logs);
  const postgres = await openOwnPostgres(folder, options.say);
  const partner = await openPartner(folder, logs, options.seed);
  const replicas = await openReplicas(options, { folder, logs, postgres, partnerUrl: partner.url });
  const balancer = startBalancer(replicas, options.chance);
  const hosts = await openHosts(options, { folder, logs, balancer });
  const members = [partner.member, ...replicas.map(({ member }) => member), ...hosts.map(({ member }) => member)];
  const keptFolder = join(tmpdir(), `stationgrid-chaos-kept-${basename(folder)}`);
  return {
    ...{ folder, keptFolder, postgres, replicas, balancer, hosts, members },
    ...{ partner: partner.member, partnerUrl: partner.url, journalPath: partner.journalPath },
    remove: async (keepsFolder) => {
      await balancer.stop();
      await Promise.all(members.map((member) => member.kill()));
      await Promise.all(hosts.flatMap(({ bots }) => bots.map(({ way }) => way.close())));
      await postgres.stop();
      postgres.remove();
      rmSync(keepsFolder ? embeddedFolder(folder).path : folder, { recursive: true, force: true, maxRetries: 10 });
      // The next run clears away what has the name of a run that is over.
      if (keepsFolder) renameSync(folder, keptFolder);
    },
  };
}

async function openPartner(folder: string, logs: string, seed: number) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const journalPath = join(folder, 'journal.jsonl');
  const words = ['shopfloor', '--port', String(port), '--journal', journalPath, '--seed', String(seed)];
  const member = createMember({
    ...{ name: 'shopfloor', words, logPath: join(logs, 'shopfloor.log') },
    ready: (started) => started.said(/^http:/),
    mayRefuse: false,
  });
  return { member, url, journalPath };
}

type Stage = { readonly folder: string; readonly logs: string };

async function openReplicas(
  options: SiteOptions,
  stage: Stage & { readonly postgres: OwnPostgres; readonly partnerUrl: string },
): Promise<readonly Replica[]> {
  const { postgres, folder, logs } = stage;
  const config = join(folder, 'line.yaml');
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ limits: limitsOfChaos(), lines: [lineOf(stage.partnerUrl)] }));
  const replicas: Replica[] = [];
  for (let number = 1; number <= options.replicas; number += 1) {
    const [grpcPort, httpPort] = [await freePort(), await freePort()];
    const name = `replica-${number}`;
    const doors = ['--grpc', `127.0.0.1:${grpcPort}`, '--http', `127.0.0.1:${httpPort}`, '--log-format', 'json'];
    // One of them has next to no connections to work with.
    const own = number === options.replicas && number > 1 ? ['--set', 'limits.postgres.poolMax=2'] : [];
    const member = createMember({
      ...{ name, logPath: join(logs, `${name}.log`) },
      words: ['serve', '--config', config, '--database', postgres.url, ...doors, ...own],
      ready: (started) => started.said(/^HTTP /),
      // While its database is away or full a replica says so, and leaves.
      mayRefuse: true,
    });
    replicas.push({ member, grpc: { host: '127.0.0.1', port: grpcPort }, httpUrl: `http://127.0.0.1:${httpPort}` });
  }
  return replicas;
}

async function openHosts(
  { bots }: SiteOptions,
  { folder, logs, balancer }: Stage & { readonly balancer: Balancer },
): Promise<Site['hosts']> {
  const hosts: Site['hosts'][number][] = [];
  const atOne = Math.min(BOTS_A_HOST_MAX, Math.ceil(bots / HOSTS_MIN));
  for (let first = 0; first < bots; first += atOne) {
    const numbers = Array.from({ length: Math.min(atOne, bots - first) }, (_, index) => first + index);
    const ways = await Promise.all(
      numbers.map(async (bot) => ({ bot, botId: botOf(bot), way: await openWay(() => balancer.choose().grpc) })),
    );
    const name = `host-${hosts.length + 1}`;
    const history = join(folder, `${name}.history.jsonl`);
    const spec: HostSpec = {
      instance: INSTANCE,
      history,
      bots: ways.map(({ bot, botId, way }) => ({
        botId,
        server: way.address,
        boards: boardsAt(bot, bots, atOne),
      })),
    };
    const specPath = join(folder, `${name}.json`);
    writeFileSync(specPath, JSON.stringify(spec));
    const member = createMember({
      ...{ name, words: [specPath], command: BOT_HOST, logPath: join(logs, `${name}.log`) },
      ready: () => Promise.resolve(),
      mayRefuse: false,
    });
    hosts.push({ member, history, bots: ways });
  }
  return hosts;
}

const taken = new Set<number>();

async function freePort(): Promise<number> {
  for (let port = PORTS.min + (process.pid % 500); port <= PORTS.max; port += 1) {
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`no port from ${PORTS.min} to ${PORTS.max} is free`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** A run that was killed leaves its server and its disk behind. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = NAME.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const folder = join(tmpdir(), name);
    const { path, postmasterPid } = embeddedFolder(folder);
    if (existsSync(postmasterPid)) stopPostmaster(embeddedFolder(folder));
    const disk = join(path, 'wal');
    if (existsSync(disk)) {
      try {
        execFileSync('umount', ['--lazy', disk], { stdio: 'ignore' });
      } catch {
        // It was none.
      }
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
